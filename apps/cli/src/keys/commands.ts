import { SCOPES, SettingsError, TENANT_PATTERN, type Scope } from '@claude-fleet/core'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { EXIT } from '../exit-code.js'
import { say } from '../terminal.js'
import { styleOf } from '../text/style.js'
import { tableLines, type Column } from '../text/table.js'
import { createKey, listKeys, revokeKey, type KeyEntry } from './key-file.js'

interface KeyFlags extends JsonFlag {
  file?: string
}

const COLUMNS: Column<KeyEntry>[] = [
  { title: 'ID', text: ({ id }) => id },
  { title: 'TENANT', text: ({ tenant }) => tenant },
  { title: 'SCOPES', text: ({ scopes }) => scopes.join('+') },
  { title: 'CREATED', text: ({ createdAt = '' }) => createdAt, leaves: 1 },
  { title: 'NAME', text: ({ name = '' }) => name, leaves: 2 },
]

/** `keys` and what is below it. They work on a file, with or without a fleet. */
export function addKeyCommands({ command, action, terminal, printJson, printLines }: Commands): void {
  const keys = command('keys', 'list the API keys of a file, or change them')
    .option('--json', 'print {"items"} as JSON')
    .option('--file <path>', 'the file, unless FLEET_API_KEYS_FILE names it')
    .addHelpText('after', examples('claude-fleet keys', 'claude-fleet keys create acme --name ci'))
    .action(action(list))
  // commander gives an option of the same name to the command above.
  const isJson = ({ json = false }: JsonFlag) => json || keys.opts<JsonFlag>().json === true

  function fileOf(flags: KeyFlags): string {
    const file = flags.file ?? keys.opts<KeyFlags>().file ?? terminal.env['FLEET_API_KEYS_FILE']
    if (file) return file
    throw new SettingsError('FLEET_API_KEYS_FILE', 'is not set; it, or --file, names the file that holds the keys')
  }

  function below(name: string, description: string, json: string, line: string): Command {
    return keys
      .command(name)
      .description(description)
      .option('--json', `print ${json} as JSON`)
      .option('--file <path>', 'the file, unless FLEET_API_KEYS_FILE names it')
      .addHelpText('after', examples(`claude-fleet keys ${line}`))
  }

  async function list(flags: KeyFlags): Promise<number> {
    const items = await listKeys(fileOf(flags))
    const { stdout, env } = terminal
    if (isJson(flags)) printJson({ items })
    else printLines(tableLines(items, COLUMNS, { width: stdout.columns, style: styleOf(stdout, env) }))
    return EXIT.ok
  }

  below('list', 'list the keys; what each is, nobody can tell any more', '{"items"}', 'list').action(action(list))

  below('create', 'make a key and add its hash; the key is shown once', 'it', 'create acme --scope read --name grafana')
    .argument('<tenant>', 'whose key it is', tenantName)
    .addOption(
      new Option('--scope <scope...>', 'what it may do; enqueue and read unless given')
        .choices([...SCOPES])
        .default([]),
    )
    .option('--name <text>', 'what it is for, at most 64 characters', keyName)
    .action(
      action(async (tenant: string, flags: KeyFlags & { scope: Scope[]; name?: string }) => {
        const scopes: Scope[] = flags.scope.length === 0 ? ['enqueue', 'read'] : flags.scope
        const made = await createKey(fileOf(flags), { tenant, scopes, name: flags.name, now: new Date() })
        if (isJson(flags)) printJson(made)
        else printLines([made.key])
        say(terminal, `${made.id} for ${tenant}, ${scopes.join('+')}; the key is not shown again`)
        return EXIT.ok
      }),
    )

  below('revoke', 'take a key out of the file', '{"id", "revoked"}', 'revoke k_0123456789ab')
    .argument('<id>', 'id of the key, as list shows it', keyId)
    .action(
      action(async (id: string, flags: KeyFlags) => {
        await revokeKey(fileOf(flags), id)
        if (isJson(flags)) printJson({ id, revoked: true })
        else printLines([`${id} is revoked; an API that reads this file lets it in no more after a second`])
        return EXIT.ok
      }),
    )
}

function tenantName(text: string): string {
  if (TENANT_PATTERN.test(text)) return text
  throw new InvalidArgumentError('a tenant is lower-case letters, digits, _ and -.')
}

function keyName(text: string): string {
  if (/^[^\p{C}]{1,64}$/u.test(text.trim())) return text.trim()
  throw new InvalidArgumentError('it must be 1 to 64 printable characters.')
}

function keyId(text: string): string {
  if (/^k_[0-9a-f]{12}$/.test(text)) return text
  throw new InvalidArgumentError('an id is k_ and 12 hex digits.')
}
