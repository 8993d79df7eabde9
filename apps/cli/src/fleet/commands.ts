import type { Stats, WorkerView } from '@claude-fleet/core'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { withApi } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { ago, duration, tokens, usd } from '../text/figures.js'
import { oneLine, styleOf, type Style } from '../text/style.js'
import { tableLines, type Column } from '../text/table.js'

/** `workers` and `stats`. */
export function addFleetCommands({ command, action, terminal, printJson, printLines }: Commands): void {
  const { stdout } = terminal
  const style = styleOf(stdout, terminal.env)

  const workers = command('workers', 'list the live workers, or drain one (key with scope admin)')
    .option('--json', 'print {"items"} as JSON')
    .addHelpText('after', examples('claude-fleet workers', 'claude-fleet workers drain host-1'))
    .action(
      action(({ json = false }: JsonFlag) =>
        withApi(terminal, async (client) => {
          const items = await client.workers()
          if (json) printJson({ items })
          else printLines(workerTable(items, { now: Date.now(), style, width: stdout.columns }))
          return EXIT.ok
        }),
      ),
    )
  workers
    .command('drain')
    .description('have a worker claim nothing more, finish what runs and exit')
    .argument('<id>', 'worker id')
    .option('--json', 'print {"id", "draining"} as JSON')
    .addHelpText('after', examples('claude-fleet workers drain host-1'))
    .action(
      action((id: string, { json = false }: JsonFlag) =>
        withApi(terminal, async (client) => {
          await client.drainWorker(id)
          // commander gives an option of the same name to the command above.
          if (json || workers.opts<JsonFlag>().json === true) printJson({ id, draining: true })
          else printLines([`${oneLine(id, undefined)} is draining`])
          return EXIT.ok
        }),
      ),
    )

  command('stats', 'show figures of the fleet')
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('claude-fleet stats', "claude-fleet stats --json | jq '.jobs.waiting'"))
    .action(
      action(({ json = false }: JsonFlag) =>
        withApi(terminal, async (client) => {
          const stats = await client.stats()
          if (json) printJson(stats)
          else printLines(statsLines(stats, style))
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
    { title: 'HOST', text: ({ host }) => host, leaves: 3 },
    { title: 'PID', text: ({ pid }) => String(pid), right: true, leaves: 4 },
    { title: 'RUNNING', text: ({ running, limit }) => `${running}/${limit}`, right: true },
    { title: 'SPARES', text: ({ spares }) => String(spares), right: true, leaves: 2 },
    { title: 'CLAUDE', text: ({ claudeVersion }) => claudeVersion, leaves: 5 },
    { title: 'SEEN', text: ({ lastSeen }) => ago(lastSeen, now), leaves: 1 },
    { title: 'PAUSED', text: ({ pausedReason = '' }) => pausedReason, paint: (_row, text) => style.warn(text) },
    { title: 'CREDENTIALS', text: ({ credentials }) => credentials.join(', '), leaves: 6 },
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
