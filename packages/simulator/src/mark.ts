/** One `[[name]]` or `[[name:value]]` of a prompt. */
export interface Mark {
  name: string
  value: string
  /** As it stands in the prompt. */
  text: string
}

/** Openings that are looked at. Each may be followed to the end of the prompt, so without a bound it could take minutes. */
const MAX_OPENINGS = 200
const START = /\[\[([a-z]+(?:-[a-z]+)*)(:|\]\])/g

/**
 * Reads the marks of a prompt, in order. `take` says of each whether it knows it; those it does not know stay in the
 * rest. A value that is JSON ends where the JSON does, so it may hold `]]` in its strings (`if [[ -f x ]]; then`) and
 * lists of lists; any other ends at the next `]]`. What follows the first 200 openings is text.
 */
export function readMarks(prompt: string, take: (mark: Mark) => boolean): { rest: string } {
  let rest = ''
  let from = 0
  START.lastIndex = 0
  for (let count = 0; count < MAX_OPENINGS; count += 1) {
    const match = START.exec(prompt)
    if (match === null) break
    const [opening, name = '', separator] = match
    const valueAt = match.index + opening.length
    const end = separator === ']]' ? valueAt : endOfValue(prompt, valueAt)
    if (end === undefined) continue
    const value = separator === ']]' ? '' : prompt.slice(valueAt, end - 2)
    if (!take({ name, value, text: prompt.slice(match.index, end) })) continue
    rest += prompt.slice(from, match.index)
    from = end
    START.lastIndex = end
  }
  return { rest: rest + prompt.slice(from) }
}

/** The place behind the closing brackets of a value that begins at `at`, if it is closed. */
function endOfValue(prompt: string, at: number): number | undefined {
  // A tool's name stands before its JSON.
  const json = /^(?:[A-Za-z_][\w-]*:)?(?=[[{])/.exec(prompt.slice(at, at + 200))
  if (json !== null) {
    const end = endOfJson(prompt, at + json[0].length)
    if (end !== undefined && prompt.startsWith(']]', end)) return end + 2
  }
  const close = prompt.indexOf(']]', at)
  return close === -1 ? undefined : close + 2
}

function endOfJson(text: string, at: number): number | undefined {
  let depth = 0
  let inString = false
  for (let place = at; place < text.length; place += 1) {
    const character = text[place]
    if (inString) {
      if (character === '\\') place += 1
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === '{' || character === '[') depth += 1
    else if (character === '}' || character === ']') {
      depth -= 1
      if (depth === 0) return place + 1
    }
  }
  return undefined
}
