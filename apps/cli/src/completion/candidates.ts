import type { Command, Option } from 'commander'

/**
 * What may stand in the place of the last of `words`, read from the commands themselves: commands, options that were
 * not given yet, the fixed values of an option or argument. `job ids` where only the fleet can tell.
 */
export function candidatesOf(program: Command, words: readonly string[]): readonly string[] | 'job ids' {
  const typed = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  let command = program
  const given: string[] = []
  for (let at = 0; at < before.length; at += 1) {
    const word = before[at] ?? ''
    const option = optionOf(command, word)
    if (option !== undefined) {
      given.push(option.long ?? '')
      if (takesValue(option) && !word.includes('=')) {
        at += 1
        if (at === before.length) return (option.argChoices ?? []).filter((one) => one.startsWith(typed))
      }
      continue
    }
    command = visible(command).find((one) => one.name() === word) ?? command
  }
  if (typed.startsWith('-')) {
    const repeats = (option: Option) => option.variadic || option.description.includes('may repeat')
    return [
      ...command.options
        .filter((option) => !option.hidden && (repeats(option) || !given.includes(option.long ?? '')))
        .map(({ long }) => long ?? ''),
      '--help',
    ].filter((one) => one.startsWith(typed))
  }
  const names = visible(command).map((one) => one.name())
  if (names.length > 0) return names.filter((one) => one.startsWith(typed))
  const [argument] = command.registeredArguments
  if (argument?.argChoices !== undefined) return argument.argChoices.filter((one) => one.startsWith(typed))
  return argument?.description.startsWith('job id') === true ? 'job ids' : []
}

function visible(command: Command): Command[] {
  return command.commands.filter((one) => !one.name().startsWith('__'))
}

function optionOf(command: Command, word: string): Option | undefined {
  const name = word.split('=')[0]
  return word.startsWith('-') ? command.options.find(({ long, short }) => long === name || short === name) : undefined
}

function takesValue(option: Option): boolean {
  return option.required || option.optional
}
