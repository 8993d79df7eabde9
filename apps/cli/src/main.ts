import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { runProgram } from './program.js'
import type { Terminal } from './terminal.js'

const terminal: Terminal = {
  env: process.env,
  home: homedir(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  readFile: (path) => readFileSync(path, 'utf8'),
  script: fileURLToPath(new URL('../bin/claude-fleet.mjs', import.meta.url)),
  nodePath: process.execPath,
  onSignal(listener) {
    process.on('SIGINT', listener)
    process.on('SIGTERM', listener)
    return {
      [Symbol.dispose]() {
        process.off('SIGINT', listener)
        process.off('SIGTERM', listener)
      },
    }
  },
  parent:
    process.send === undefined
      ? undefined
      : {
          ready: (message) => process.send?.(message),
          onGone: (listener) => process.once('disconnect', listener),
        },
  exit: (code) => process.exit(code),
}

// A reader that has gone away, such as `head`, is no error of ours; there is nobody left to write to.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

process.exitCode = await runProgram(process.argv.slice(2), terminal)
// The channel to a parent would keep this process alive after its work is done.
if (process.connected) process.disconnect()
