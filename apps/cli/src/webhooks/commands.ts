import { FleetError, LIMITS, WEBHOOK_EVENTS, WEBHOOK_ID_PATTERN, type WebhookEvent } from '@claude-fleet/core'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { examples, type Commands, type JsonFlag } from '../commands.js'
import { withApi } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { number } from '../job/options.js'
import { say } from '../terminal.js'
import { oneLine, styleOf } from '../text/style.js'
import { deliveryTable, webhookLines, webhookTable } from './show.js'

interface EndpointFlags extends JsonFlag {
  url?: string
  event?: WebhookEvent[]
  namedOnly?: boolean
  description?: string
  enable?: boolean
  disable?: boolean
}

/** `webhooks` and what is below it. */
export function addWebhookCommands({ command, action, terminal, printJson, printLines }: Commands): void {
  const { stdout } = terminal
  const style = styleOf(stdout, terminal.env)
  const table = () => ({ now: Date.now(), style, width: stdout.columns })

  const webhooks = command('webhooks', 'list the endpoints that are told when jobs end, or change them')
    .option('--json', 'print {"items"} as JSON')
    .addHelpText('after', examples('claude-fleet webhooks', 'claude-fleet webhooks create https://example.com/fleet'))
    .action(action(list))
  // commander gives an option of the same name to the command above.
  const isJson = ({ json = false }: JsonFlag) => json || webhooks.opts<JsonFlag>().json === true

  function list(flags: JsonFlag): Promise<number> {
    return withApi(terminal, async (client) => {
      const items = await client.webhooks.list()
      if (isJson(flags)) printJson({ items })
      else printLines(webhookTable(items, table()))
      return EXIT.ok
    })
  }

  function below(name: string, description: string, json: string, ...lines: string[]): Command {
    return webhooks
      .command(name)
      .description(description)
      .option('--json', `print ${json} as JSON`)
      .addHelpText('after', examples(...lines.map((line) => `claude-fleet webhooks ${line}`)))
  }

  below('list', 'list the endpoints', '{"items"}', 'list').action(action(list))

  withEndpointFlags(
    below('create', 'register an endpoint; its secret is shown once', 'it', 'create https://example.com/fleet'),
  )
    .argument('<url>', 'address that gets the events')
    .option('--disabled', 'send nothing yet')
    .action(
      action((url: string, flags: EndpointFlags & { disabled?: boolean }) =>
        withApi(terminal, async (client) => {
          const made = await client.webhooks.create({ url, ...fieldsOf(flags), enabled: flags.disabled !== true })
          if (isJson(flags)) printJson(made)
          else printLines(webhookLines(made, table()))
          say(terminal, 'the secret is not shown again')
          return EXIT.ok
        }),
      ),
    )

  below('get', 'show an endpoint', 'it', 'get wh_...')
    .argument('<id>', 'webhook id')
    .action(
      action((id: string, flags: JsonFlag) => {
        const known = webhookId(id)
        return withApi(terminal, async (client) => {
          const found = await client.webhooks.get(known)
          if (isJson(flags)) printJson(found)
          else printLines(webhookLines(found, table()))
          return EXIT.ok
        })
      }),
    )

  withEndpointFlags(below('update', 'change an endpoint; what is left out stays', 'it', 'update wh_... --enable'))
    .argument('<id>', 'webhook id')
    .option('--url <url>', 'another address')
    .addOption(new Option('--enable', 'send again, what waits for it first').conflicts('disable'))
    .option('--disable', 'record and send nothing more')
    .action(
      action((id: string, flags: EndpointFlags) => {
        const known = webhookId(id)
        const { url, enable, disable } = flags
        const change = {
          ...fieldsOf(flags),
          ...(url === undefined ? {} : { url }),
          ...(enable === true ? { enabled: true } : {}),
          ...(disable === true ? { enabled: false } : {}),
        }
        return withApi(terminal, async (client) => {
          const changed = await client.webhooks.update(known, change)
          if (isJson(flags)) printJson(changed)
          else printLines(webhookLines(changed, table()))
          return EXIT.ok
        })
      }),
    )

  below('delete', 'delete an endpoint; what waits for it is not sent', '{"id", "deleted"}', 'delete wh_...')
    .argument('<id>', 'webhook id')
    .action(
      action((id: string, flags: JsonFlag) => {
        const known = webhookId(id)
        return withApi(terminal, async (client) => {
          await client.webhooks.delete(known)
          if (isJson(flags)) printJson({ id: known, deleted: true })
          else printLines([`${known} is deleted`])
          return EXIT.ok
        })
      }),
    )

  below('rotate', 'make a new secret; it is shown once', 'the endpoint and its secret', 'rotate wh_...')
    .argument('<id>', 'webhook id')
    .option('--overlap-ms <ms>', 'how long the old secret signs too (default 24 h)', number)
    .action(
      action((id: string, flags: JsonFlag & { overlapMs?: number }) => {
        const known = webhookId(id)
        return withApi(terminal, async (client) => {
          const rotated = await client.webhooks.rotate(known, { overlapMs: flags.overlapMs })
          if (isJson(flags)) printJson(rotated)
          else printLines(webhookLines(rotated, table()))
          say(terminal, 'the secret is not shown again')
          return EXIT.ok
        })
      }),
    )

  below('deliveries', 'list the last deliveries to an endpoint', '{"items"}', 'deliveries wh_...')
    .argument('<id>', 'webhook id')
    .option('--limit <n>', `how many, 1 to ${LIMITS.webhookLog} (default 20)`, number)
    .action(
      action((id: string, flags: JsonFlag & { limit?: number }) => {
        const known = webhookId(id)
        return withApi(terminal, async (client) => {
          const items = await client.webhooks.deliveries(known, { limit: flags.limit })
          if (isJson(flags)) printJson({ items })
          else printLines(deliveryTable(items, table()))
          return EXIT.ok
        })
      }),
    )

  below('test', 'send a test event to an endpoint', 'the delivery', 'test wh_...')
    .argument('<id>', 'webhook id')
    .action(
      action((id: string, flags: JsonFlag) => {
        const known = webhookId(id)
        return withApi(terminal, async (client) => {
          const delivery = await client.webhooks.test(known)
          if (isJson(flags)) printJson(delivery)
          else printLines([`${oneLine(delivery.id, undefined)} is on its way; webhooks deliveries ${known} tells more`])
          return EXIT.ok
        })
      }),
    )
}

function withEndpointFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--event <event>', 'an end that is told, all unless given; may repeat')
        .choices(WEBHOOK_EVENTS)
        .argParser((event: string, previous: string[] | undefined) => {
          const known = WEBHOOK_EVENTS.find((one) => one === event)
          if (known === undefined) throw new InvalidArgumentError(`Allowed choices are ${WEBHOOK_EVENTS.join(', ')}.`)
          return [...(previous ?? []), known]
        }),
    )
    .addOption(new Option('--named-only', 'only the ends of jobs that name it (--webhook)').conflicts('event'))
    .option('--description <text>', 'for people')
}

function fieldsOf({ event, namedOnly, description }: EndpointFlags) {
  return {
    ...(event === undefined ? {} : { events: event }),
    ...(namedOnly === true ? { events: [] } : {}),
    ...(description === undefined ? {} : { description }),
  }
}

function webhookId(text: string): string {
  if (WEBHOOK_ID_PATTERN.test(text)) return text
  throw new FleetError('INVALID_REQUEST', `${JSON.stringify(oneLine(text, 60))} is not a webhook id, such as wh_...`)
}
