import { examples, type Commands, type JsonFlag } from '../commands.js'
import { EXIT } from '../exit-code.js'
import { say } from '../terminal.js'
import { styleOf } from '../text/style.js'
import { reportLines, summaryLine } from './report.js'

/** `doctor`. */
export function addDoctor({ command, action, terminal, printJson, printLines }: Commands): void {
  const { stdout, stderr, env } = terminal
  command('doctor', 'look at Redis, claude, credentials, folders and limits, and name what mends them')
    .option('--online', 'also ask the model API whether it takes each credential; costs nothing')
    .option('--json', 'print {"ok", "checks"} as JSON')
    .addHelpText(
      'after',
      `
Looks at what a worker on this host would find with the settings of this shell, at Redis (REDIS_URL), and at the API
(FLEET_URL). Changes nothing. Where only FLEET_URL is set this is a client's host, and what only a worker needs is a warning.
Exit code: 0 nothing is wrong, 1 something is (warnings alone are not), 78 a setting cannot be read.
`,
    )
    .addHelpText(
      'after',
      examples(
        'claude-fleet doctor',
        'claude-fleet doctor --online',
        `claude-fleet doctor --json | jq -r '.checks[] | select(.status == "fail") | .fix'`,
      ),
    )
    .action(
      action(async ({ online = false, json = false }: JsonFlag & { online?: boolean }) => {
        // Loaded here, so that a command such as `run` does not load a worker.
        const { examine } = await import('./examine.js')
        const { checks, fault } = await examine(terminal, { online })
        const ok = checks.every(({ status }) => status !== 'fail')
        if (json) printJson({ ok, checks })
        else {
          printLines(reportLines(checks, { style: styleOf(stdout, env), width: stdout.columns }))
          say(terminal, summaryLine(checks, styleOf(stderr, env)))
        }
        if (fault !== undefined) throw fault
        return ok ? EXIT.ok : EXIT.jobFailed
      }),
    )
}
