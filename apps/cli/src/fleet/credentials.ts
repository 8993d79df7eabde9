import type { CredentialView } from '@claude-fleet/core'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { withApi } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { oneLine, styleOf, type Style } from '../text/style.js'
import { tableLines, type Column } from '../text/table.js'

/** `credentials list` and `credentials resume`. */
export function addCredentialCommands({ command, action, terminal, printJson, printLines }: Commands): void {
  const { stdout } = terminal
  const style = styleOf(stdout, terminal.env)

  const list = ({ json = false }: JsonFlag) =>
    withApi(terminal, async (client) => {
      const items = await client.credentials.list()
      if (isJson(json)) printJson({ items })
      else printLines(table(items, { style, width: stdout.columns }))
      return EXIT.ok
    })
  const credentials = command(
    'credentials',
    'list which credentials jobs can use, or resume one (key with scope admin)',
  )
    .option('--json', 'print {"items"} as JSON')
    .addHelpText('after', examples('claude-fleet credentials', 'claude-fleet credentials resume default'))
    .action(action(list))
  // commander gives an option of the same name to the command above.
  const isJson = (json: boolean) => json || credentials.opts<JsonFlag>().json === true

  credentials
    .command('list')
    .description('list the credentials of the workers: names and states, never a value')
    .option('--json', 'print {"items"} as JSON')
    .addHelpText('after', examples('claude-fleet credentials list'))
    .action(action(list))
  credentials
    .command('resume')
    .description('say that a credential can be used again: one job tries it, then the others go on')
    .argument('<name>', 'name of the credential')
    .option('--json', 'print the credential as JSON')
    .addHelpText('after', examples('claude-fleet credentials resume default'))
    .action(
      action((name: string, { json = false }: JsonFlag) =>
        withApi(terminal, async (client) => {
          const view = await client.credentials.resume(name)
          if (isJson(json)) printJson(view)
          else printLines([`${oneLine(view.name, undefined)} is ${view.state}; jobs held: ${view.jobs}`])
          return EXIT.ok
        }),
      ),
    )
}

function table(items: readonly CredentialView[], options: { style: Style; width: number | undefined }): string[] {
  const { style } = options
  const paint = ({ state }: CredentialView, text: string) =>
    state === 'open' ? text : state === 'broken' ? style.bad(text) : style.warn(text)
  const columns: Column<CredentialView>[] = [
    { title: 'NAME', text: ({ name }) => name },
    { title: 'STATE', text: ({ state }) => state, paint },
    { title: 'HELD', text: ({ jobs }) => String(jobs), right: true },
    { title: 'UNTIL', text: ({ resumesAt }) => (resumesAt === undefined ? '' : new Date(resumesAt).toISOString()) },
    { title: 'WHY', text: ({ code = '', message = '' }) => [code, message].filter((part) => part !== '').join(': ') },
  ]
  return tableLines(items, columns, options)
}
