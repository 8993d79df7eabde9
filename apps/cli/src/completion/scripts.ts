import type { Command, Option } from 'commander'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/**
 * What a shell loads to complete this program. The scripts hold no commands: they ask the program that is being typed,
 * so that they fit its version. What it answers is taken as words and never evaluated.
 */
export function shellScript(shell: Shell, program: Command): string {
  switch (shell) {
    case 'bash':
      return BASH
    case 'zsh':
      return ZSH
    case 'fish':
      return FISH + fishFiles(program)
  }
}

// No compgen -W: it would expand what it is given. No mapfile: macOS has bash 3.2. Nothing found: bash offers files.
const BASH = `_claude_fleet() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("$word")
  done < <("$1" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _claude_fleet claude-fleet
`

const ZSH = `#compdef claude-fleet
_claude_fleet() {
  local line
  local -a values shown
  while IFS= read -r line; do
    values+=("\${line%%$'\\t'*}")
    shown+=("\${line%%$'\\t'*}  \${line#*$'\\t'}")
  done < <("\${words[1]}" __complete --describe -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#values} )); then
    compadd -l -d shown -a values
  else
    _files
  fi
}
compdef _claude_fleet claude-fleet
`

const FISH = `function __claude_fleet_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete --describe -- $words[2..-1] 2>/dev/null
end
complete -c claude-fleet -f -a '(__claude_fleet_complete)'
`

/** fish offers files only where it is told to: behind options that name one. */
function fishFiles(program: Command): string {
  const isFile = ({ flags }: Option) => /<(file|path)>$/.test(flags)
  const names = program.commands.flatMap((command) => command.options.filter(isFile).map(({ long }) => long ?? ''))
  return [...new Set(names)].map((name) => `complete -c claude-fleet -l ${name.slice(2)} -r -F\n`).join('')
}
