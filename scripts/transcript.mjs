// Runs the commands of the documents' console blocks on a private fleet with a simulated model, and prints what a person
// would see: each `$` line and its output. `--write` puts the outputs into the documents, `--check` only runs them and
// fails when a command of them does not exist or is used wrongly. Nothing is paid for and everything ends with it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const DOCUMENTS = ['README.md', 'docs/command-line.md']
const MODES = ['--write', '--check']
const BLOCK = /^```console\n([^]*?)^```$/gm
/** Between the output of one command and the next. */
const END = 'end-of-command'

const mode = process.argv[2]
if (process.argv.length > 3 || (mode !== undefined && !MODES.includes(mode))) {
  process.stderr.write(`usage: node scripts/transcript.mjs [${MODES.join('|')}]\n`)
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'cf-transcript-'))
const closers = [async () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })]
let wrong = 0
try {
  const shell = startShell(await startFleet())
  for (const name of DOCUMENTS) {
    const path = join(root, name)
    const text = readFileSync(path, 'utf8')
    const outputs = []
    for (const [, block] of text.matchAll(BLOCK)) outputs.push(await runBlock(shell, block))
    if (mode === '--write') writeFileSync(path, withOutputs(text, outputs))
    else if (mode === undefined) process.stdout.write(outputs.map((output) => `${output}\n`).join(''))
  }
} finally {
  for (const close of closers.toReversed()) await close()
}
process.exitCode = wrong > 0 ? 1 : 0

/** Starts model, Redis, API and worker. Resolves to what a client of them has in its environment. */
async function startFleet() {
  const plain = { PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}`, HOME: folder, TMPDIR: folder }
  if (process.env.CLAUDE_FLEET_TEST_RUN) plain.CLAUDE_FLEET_TEST_RUN = process.env.CLAUDE_FLEET_TEST_RUN
  const model = start('packages/simulator/bin/claude-fleet-simulator.mjs', ['--port', '0'], plain)
  const modelUrl = await model.line(/http:\/\/127\.0\.0\.1:\d+/)
  const up = start('apps/cli/bin/claude-fleet.mjs', ['up'], {
    ...plain,
    FLEET_API_PORT: '0',
    FLEET_CONCURRENCY: '4',
    FLEET_WORKER_ID: 'host-1',
    FLEET_STATE_DIR: join(folder, 'state'),
    FLEET_WORKSPACE_ROOT: join(folder, 'workspaces'),
    ANTHROPIC_BASE_URL: modelUrl,
    ANTHROPIC_API_KEY: 'key-of-nobody',
  })
  return { ...plain, FLEET_URL: await up.line(/(?<=is up: )\S+/) }
}

function start(script, args, env) {
  const child = spawn(process.execPath, [join(root, script), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close')
  closers.push(async () => {
    child.kill('SIGTERM')
    await closed
  })
  return {
    line(pattern) {
      return new Promise((resolve, reject) => {
        let said = ''
        for (const stream of [child.stdout, child.stderr]) {
          createInterface({ input: stream }).on('line', (line) => {
            said += `${line}\n`
            const found = pattern.exec(line)
            if (found !== null) resolve(found[0])
          })
        }
        closed.then(() => reject(new Error(`${script} ended: ${said}`)), reject)
      })
    },
  }
}

/** One shell for all commands, so that a variable set by one is there for the next. */
function startShell(env) {
  const child = spawn('bash', ['--noprofile', '--norc'], { env, cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  closers.push(async () => {
    child.stdin.end()
    await closed
  })
  child.stdin.write('exec 2>&1\n')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return async (command) => {
    child.stdin.write(`${command}\necho "${END} $?"\n`)
    const output = []
    for (;;) {
      const { value, done } = await lines.next()
      if (done) throw new Error(`the shell ended at: ${command}`)
      // Output without a line break at its end has the mark behind it.
      const at = value.lastIndexOf(`${END} `)
      if (at < 0) {
        output.push(value)
        continue
      }
      if (at > 0) output.push(value.slice(0, at))
      return { output, code: Number(value.slice(at + END.length + 1)) }
    }
  }
}

async function runBlock(shell, block) {
  const shown = []
  for (const line of block.split('\n').filter((one) => one.startsWith('$ '))) {
    const { output, code } = await shell(line.slice(2))
    shown.push(line, ...output.map((one) => one.trimEnd()))
    // Bad usage, bad settings, a fleet that is away, no such program: the document is wrong, and not the job.
    if ([2, 69, 78, 126, 127].includes(code)) {
      wrong += 1
      process.stderr.write(`exit ${code}: ${line}\n${output.join('\n')}\n`)
    }
  }
  return `${shown.join('\n')}\n`
}

function withOutputs(text, outputs) {
  let at = 0
  return text.replaceAll(BLOCK, () => `\`\`\`console\n${outputs[at++]}\`\`\``)
}
