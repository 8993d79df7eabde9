// In a sandbox with a network of its own: leads a port of its loopback to a socket of the host, and starts a command beside.
// Usage: node bridge.mjs PORT SOCKET COMMAND [ARGUMENT...]. Ends as the command ends.
import { spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'

const [port, socket, command, ...args] = process.argv.slice(2)
const server = createServer({ allowHalfOpen: true }, (inner) => {
  const outer = connect({ path: socket, allowHalfOpen: true })
  inner.pipe(outer).pipe(inner)
  // What breaks on one side is broken off on the other: claude is to see a connection that was cut, not one that ended well.
  inner.once('error', () => outer.destroy())
  outer.once('error', () => inner.resetAndDestroy())
  inner.once('close', () => outer.destroy())
  outer.once('close', () => inner.destroy())
})
server.listen(Number(port), '127.0.0.1', () => {
  const child = spawn(command, args, { stdio: 'inherit' })
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, () => child.kill(name))
  child.once('error', (error) => {
    process.stderr.write(`bridge: ${error.message}\n`)
    process.exit(127)
  })
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
})
