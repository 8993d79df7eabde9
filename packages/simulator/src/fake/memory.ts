import { randomUUID } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

/** What a conversation knows, kept where claude keeps it: rows of JSON in a file of the session, which a resume reads. */
export interface Memory {
  /** First word of each prompt before this one. */
  earlier(): string[]
  prompt(text: string): void
  answer(text: string): void
  /** The conversation begins again, under another name. */
  begin(sessionId: string): void
}

const rowSchema = z.looseObject({
  type: z.string(),
  message: z.looseObject({ role: z.string(), content: z.union([z.string(), z.array(z.looseObject({}))]) }),
})

/** `config`: the folder of claude's configuration; undefined: nothing is written. Throws where a file to resume is broken. */
export function createMemory(config: string | undefined, sessionId: string): Memory {
  let file: string | undefined
  let words: string[]
  begin(sessionId)

  function begin(id: string): void {
    words = []
    if (config === undefined) return
    const projects = join(config, 'projects')
    const there = existsSync(projects) ? readdirSync(projects) : []
    // Wherever a resume was laid: claude goes on writing there.
    file = there.map((name) => join(projects, name, `${id}.jsonl`)).find((path) => existsSync(path))
    if (file === undefined) {
      const project = join(projects, 'fake')
      mkdirSync(project, { recursive: true })
      file = join(project, `${id}.jsonl`)
      return
    }
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      if (line === '') continue
      const { type, message } = rowSchema.parse(JSON.parse(line))
      if (type === 'user' && typeof message.content === 'string') words.push(firstWord(message.content))
    }
  }

  function write(type: 'user' | 'assistant', content: string | object[]): void {
    if (file === undefined) return
    const row = { type, uuid: randomUUID(), sessionId, message: { role: type, content } }
    appendFileSync(file, `${JSON.stringify(row)}\n`)
  }

  return {
    earlier: () => [...words],
    prompt(text) {
      words.push(firstWord(text))
      write('user', text)
    },
    answer: (text) => write('assistant', [{ type: 'text', text }]),
    begin,
  }
}

const firstWord = (text: string) => text.split(' ')[0] ?? ''
