import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { FleetError } from '@claude-fleet/core'
import { verifyAudit } from '@claude-fleet/http'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { EXIT } from '../exit-code.js'

/** `audit verify`. It reads a file, with or without a fleet. */
export function addAuditCommands({ command, action, terminal, printJson, printLines }: Commands): void {
  const audit = command('audit', 'look at the log of who did what')
    .option('--json', 'print the verdict as JSON')
    .addHelpText('after', examples('claude-fleet audit verify /var/log/claude-fleet/audit.ndjson'))
    .action(action(async () => (terminal.stdout.write(audit.helpInformation()), EXIT.usage)))

  audit
    .command('verify')
    .description('find lines that were changed, taken out or put in')
    .argument('<file>', 'the file that FLEET_AUDIT_LOG names')
    .option('--head <hash>', 'a hash that an earlier run printed: its line must still be there')
    .option('--json', 'print {"lines", "chains", "head", "faults"} as JSON')
    .addHelpText('after', examples('claude-fleet audit verify /var/log/claude-fleet/audit.ndjson'))
    .action(
      action(async (file: string, flags: JsonFlag & { head?: string }) => {
        await access(file).catch((cause: unknown) => {
          throw new FleetError('NOT_FOUND', `cannot read ${file}`, { cause })
        })
        const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity })
        const verdict = await verifyAudit(lines, flags.head)
        if (flags.json === true || audit.opts<JsonFlag>().json === true) printJson(verdict)
        else {
          const { lines: count, chains, head, faults } = verdict
          printLines([
            ...faults.map(({ line, fault }) => `line ${line}: ${fault}`),
            `${count} lines of ${chains} runs, ${faults.length} faults; head ${head}`,
          ])
        }
        return verdict.faults.length === 0 ? EXIT.ok : EXIT.jobFailed
      }),
    )
}
