import { SettingsError } from '@claude-fleet/core'
import { describeError, EXIT } from '../exit-code.js'
import { say, type Terminal } from '../terminal.js'

/** What a hurried stop may take. */
const HURRY_MS = 8_000

/** A started service, as each app's `start` gives it. */
export interface Service {
  /** Where it listens, if it does. */
  url?: string | undefined
  /** Finishes what is in progress within the service's own deadline, then resolves. A second call hurries it. */
  stop(): Promise<void>
  /** Resolves when the service has ended by itself, such as a worker that was asked to drain. */
  ended: Promise<void>
}

/**
 * Runs one service in this process until a signal, its own end, or the end of the parent that started it. Resolves to
 * the exit code: 0, 78 for bad settings, 69 when Redis cannot be reached. A second signal hurries the stop: what runs is
 * interrupted and handed back, so that nobody has to wait for a lock to lapse. After 8 s, or at a third signal, the process
 * ends as it is; 130 then, and after every hurried stop.
 */
export async function serve(role: string, start: () => Promise<Service>, terminal: Terminal): Promise<number> {
  let stopRequested = () => {}
  const stopped = new Promise<void>((resolve) => (stopRequested = resolve))
  let signals = 0
  let service: Service | undefined
  let lastTimer: NodeJS.Timeout | undefined
  const exitNow = () => terminal.exit(EXIT.interrupted)
  using _ = terminal.onSignal(() => {
    signals += 1
    stopRequested()
    if (signals === 1) return
    if (service === undefined || signals > 2) return exitNow()
    lastTimer = setTimeout(exitNow, HURRY_MS)
    service.stop().catch(exitNow)
  })
  try {
    service = await start()
  } catch (error) {
    const { exitCode, line } = describeError(error)
    say(terminal, error instanceof SettingsError ? line : `claude-fleet ${role}: ${line}`)
    return exitCode
  }
  terminal.parent?.onGone(stopRequested)
  terminal.parent?.ready({ type: 'ready', role, url: service.url })
  await Promise.race([stopped, service.ended])
  await service.stop()
  clearTimeout(lastTimer)
  return signals > 1 ? EXIT.interrupted : EXIT.ok
}
