import { readApiSettings, readBoardSettings, readWorkerSettings } from '@claude-fleet/core'
import { pino, type Logger } from 'pino'
import type { Terminal } from '../terminal.js'
import { serve } from './serve.js'

/** `api`: the HTTP API in this process. Resolves to the exit code. */
export function serveApi(terminal: Terminal): Promise<number> {
  return serve(
    'api',
    async () => {
      const settings = readApiSettings(terminal)
      // Loaded here, so that a command such as `run` does not pay for a server it does not start.
      const { startApi } = await import('@claude-fleet/api')
      return startApi(settings, { log: serviceLog('api', settings.logLevel) })
    },
    terminal,
  )
}

/** `board`: the operators' site in this process. Resolves to the exit code. */
export function serveBoard(terminal: Terminal): Promise<number> {
  return serve(
    'board',
    async () => {
      const settings = readBoardSettings(terminal)
      const { startBoard } = await import('@claude-fleet/board')
      return startBoard(settings, { log: serviceLog('board', settings.logLevel) })
    },
    terminal,
  )
}

/** `worker`: one worker in this process. Resolves to the exit code. */
export function serveWorker(terminal: Terminal): Promise<number> {
  return serve(
    'worker',
    async () => {
      const settings = readWorkerSettings(terminal, terminal.home)
      const { startWorker } = await import('@claude-fleet/worker')
      return startWorker(settings, { log: serviceLog('worker', settings.logLevel), path: terminal.env['PATH'] ?? '' })
    },
    terminal,
  )
}

/** JSON lines on stdout, as log collectors expect of a service. */
function serviceLog(role: string, level: string): Logger {
  return pino({ level, base: { role } })
}
