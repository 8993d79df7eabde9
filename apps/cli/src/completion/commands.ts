import { Argument, type Command } from 'commander'
import type { Commands } from '../commands.js'
import { withClient } from '../connect.js'
import { EXIT } from '../exit-code.js'
import { candidatesOf } from './candidates.js'

const SHELLS = ['bash', 'zsh', 'fish'] as const
/** A shell waits for this while a person has pressed Tab. */
const JOBS_MS = 1_500

/** `completion SHELL` prints what the shell has to load; that asks `__complete` at each Tab. */
export function addCompletion(program: Command, { command, action, terminal }: Commands): void {
  const { stdout } = terminal
  command('completion', 'print the completion of a shell')
    .addArgument(new Argument('<shell>', 'shell').choices(SHELLS))
    .option('--json', 'print it as a JSON object')
    .addHelpText(
      'after',
      `
Examples:
  source <(claude-fleet completion bash)     in ~/.bashrc
  source <(claude-fleet completion zsh)      in ~/.zshrc, after compinit
  claude-fleet completion fish > ~/.config/fish/completions/claude-fleet.fish
`,
    )
    .action(
      action(async (shell: (typeof SHELLS)[number], { json = false }: { json?: boolean }) => {
        const script = SCRIPTS[shell]
        stdout.write(json ? `${JSON.stringify({ shell, script })}\n` : script)
        return EXIT.ok
      }),
    )
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(
      action(async (words: string[]) => {
        const found = candidatesOf(program, words)
        const all = found === 'job ids' ? await recentJobs() : found
        stdout.write(all.map((one) => `${one}\n`).join(''))
        return EXIT.ok
      }),
    )

  /** None where the fleet cannot be asked: a completion has nobody to tell. */
  async function recentJobs(): Promise<readonly string[]> {
    try {
      const page = await withClient(terminal, (client) => client.jobs({}, { signal: AbortSignal.timeout(JOBS_MS) }))
      return page.items.map(({ id }) => id)
    } catch {
      return []
    }
  }
}

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `_claude_fleet() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(claude-fleet __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _claude_fleet claude-fleet
`,
  zsh: `_claude_fleet() {
  local -a found
  found=("\${(@f)$(claude-fleet __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _claude_fleet claude-fleet
`,
  fish: `complete -c claude-fleet -f -a '(claude-fleet __complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}
