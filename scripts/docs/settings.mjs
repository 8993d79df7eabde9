// docs/settings.md, from the schemas that read the settings.
import { code, table } from './markdown.mjs'

/** `catalog`: what core's `describeSettings` gives. */
export function settingsPage({ settings, credential, network }) {
  const rows = settings.map((setting) => [
    `\`${setting.name}\`${setting.secret ? ' *' : ''}`,
    setting.readBy.join(', '),
    setting.default === undefined ? setting.unset : setting.default === '' ? 'none' : code(setting.default),
    setting.allowed,
    setting.description,
  ])
  const passed = (variables) =>
    variables.map(({ name, secret, description }) => [`\`${name}\`${secret ? ' *' : ''}`, description])
  return `# Settings

Environment variables, read once at the start. A wrong one is named in one line on stderr and the process exits with 78; an
empty one counts as not set. \`claude-fleet doctor\` looks at what they lead to.

\\* holds a secret: \`NAME_FILE\`, the path of a file, may be given in its place (one line break at its end is dropped), and
its value is never printed. Both at once are refused.

${table(['setting', 'read by', 'default, or what holds without', 'may be', 'is'], rows)}

\`clients\` are the command line and whatever reads its settings in the same way; the Node client takes options instead.

## The worker's own credential

These and any other \`ANTHROPIC_*\` variable (each of which counts as a secret) make up the credential \`default\` of a worker,
which jobs without \`credential\` use. The \`AWS_\`, \`GOOGLE_\` and \`CLOUD_ML_\` ones belong to it only where Bedrock or Vertex is switched on.

${table(['variable', 'is'], passed(credential))}

## Passed through to claude

Of the worker's environment \`claude\` gets these, \`PATH\`, and the variables of the job's credential; nothing else.

${table(['variable', 'is'], passed(network))}
`
}
