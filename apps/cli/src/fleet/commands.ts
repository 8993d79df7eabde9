import type { Stats, WorkerView } from '@claude-fleet/core'
import type { Commands } from '../commands.js'
import { withApi } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { ago, duration, tokens, usd } from '../text/figures.js'
import { oneLine, styleOf, type Style } from '../text/style.js'
import { tableLines, type Column } from '../text/table.js'

interface Json {
  json?: boolean
}

/** `workers` and `stats`. */
export function addFleetCommands({ command, action, terminal }: Commands): void {
  const { stdout } = terminal
  const printJson = (value: unknown) => void stdout.write(`${JSON.stringify(value)}\n`)
  const lines = (all: readonly string[]) => void stdout.write(all.map((line) => `${line}\n`).join(''))
  const style = styleOf(stdout, terminal.env)

  const workers = command('workers', 'list the live workers, or drain one (key with scope admin)')
    .option('--json', 'print them as JSON')
    .addHelpText('after', '\nExamples:\n  claude-fleet workers\n  claude-fleet workers drain host-1\n')
    .action(
      action(({ json = false }: Json) =>
        withApi(terminal, async (client) => {
          const items = await client.workers()
          if (json) printJson({ items })
          else lines(workerTable(items, { now: Date.now(), style, width: stdout.columns }))
          return EXIT.ok
        }),
      ),
    )
  workers
    .command('drain')
    .description('have a worker claim nothing more, finish what runs and exit')
    .argument('<id>', 'worker id')
    .option('--json', 'print the answer as JSON')
    .action(
      action((id: string, { json = false }: Json) =>
        withApi(terminal, async (client) => {
          await client.drainWorker(id)
          // commander gives an option of the same name to the command above.
          if (json || workers.opts<Json>().json === true) printJson({ id, draining: true })
          else lines([`${oneLine(id, undefined)} is draining`])
          return EXIT.ok
        }),
      ),
    )

  command('stats', 'show figures of the fleet')
    .option('--json', 'print them as JSON')
    .addHelpText('after', "\nExamples:\n  claude-fleet stats\n  claude-fleet stats --json | jq '.jobs.waiting'\n")
    .action(
      action(({ json = false }: Json) =>
        withApi(terminal, async (client) => {
          const stats = await client.stats()
          if (json) printJson(stats)
          else lines(statsLines(stats, style))
          return EXIT.ok
        }),
      ),
    )
}

function workerTable(
  workers: readonly WorkerView[],
  options: { now: number; style: Style; width: number | undefined },
): string[] {
  const { now, style } = options
  const columns: Column<WorkerView>[] = [
    { title: 'ID', text: ({ id }) => id },
    { title: 'HOST', text: ({ host }) => host },
    { title: 'PID', text: ({ pid }) => String(pid), right: true },
    { title: 'RUNNING', text: ({ running, limit }) => `${running}/${limit}`, right: true },
    { title: 'SPARES', text: ({ spares }) => String(spares), right: true },
    { title: 'CLAUDE', text: ({ claudeVersion }) => claudeVersion },
    { title: 'SEEN', text: ({ lastSeen }) => ago(lastSeen, now) },
    { title: 'PAUSED', text: ({ pausedReason = '' }) => pausedReason, paint: (_row, text) => style.warn(text) },
    { title: 'CREDENTIALS', text: ({ credentials }) => credentials.join(', ') },
  ]
  return tableLines(workers, columns, options)
}

function statsLines(stats: Stats, style: Style): string[] {
  const { jobs, throughput, latencyMs, pool } = stats
  const quantiles = ({ p50, p90, p99 }: Stats['latencyMs']['queue']) =>
    `p50 ${duration(p50)}, p90 ${duration(p90)}, p99 ${duration(p99)}`
  const counts = (all: Readonly<Record<string, number>>) =>
    Object.entries(all)
      .map(([name, count]) => `${count} ${oneLine(name, undefined)}`)
      .join(', ')
  const facts: [string, string][] = [
    ['jobs', counts(jobs)],
    ['oldest waiting', duration(stats.oldestWaitingMs)],
    ['ended', `${throughput.lastMinute} in the last minute, ${throughput.lastHour} in the last hour`],
    ['queue wait', quantiles(latencyMs.queue)],
    ['first text', quantiles(latencyMs.firstText)],
    ['total', quantiles(latencyMs.total)],
    ['starts', `${pool.reused} reused, ${pool.spare} spare, ${pool.cold} cold`],
    ['processes', `${pool.created} created, ${pool.destroyed} destroyed`],
    ['cost', `${usd(stats.costUsd)}, ${tokens(stats.tokens)}`],
    ['tools', counts(stats.tools) || 'none'],
  ]
  return facts.map(([name, value]) => `${style.dim(name.padEnd(14))} ${value}`)
}
