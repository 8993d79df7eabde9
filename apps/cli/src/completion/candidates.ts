import type { Command, Option } from 'commander'

export interface Candidate {
  value: string
  description: string
}

export type IdKind = 'job' | 'session' | 'worker' | 'schedule' | 'webhook'

export interface Candidates {
  found: readonly Candidate[]
  /** Of what the ids are that may stand here, where only the fleet can tell. */
  ids: IdKind | undefined
  /** What is already there of the word. */
  typed: string
}

/**
 * What may stand in the place of the last of `words`, read from the commands themselves: commands, options that were not
 * given yet, the fixed values of an option or argument. Words may be split at `=`, as bash does.
 */
export function candidatesOf(program: Command, words: readonly string[]): Candidates {
  const { before, last, isSplit } = joined(words)
  let command = program
  let positionals = 0
  let literal = false
  const given = new Set<Option>()
  for (let at = 0; at < before.length; at += 1) {
    const word = before[at] ?? ''
    if (!literal && word === '--') {
      literal = true
    } else if (!literal && word.startsWith('-') && word !== '-') {
      const option = optionOf(command, word)
      if (option === undefined) continue
      given.add(option)
      if (!takesValue(option) || word.includes('=')) continue
      at += 1
      if (at === before.length) return valuesOf(option, last, '')
    } else {
      const below = positionals === 0 ? visible(command).find((one) => one.name() === word) : undefined
      command = below ?? command
      positionals = below === undefined ? positionals + 1 : 0
    }
  }
  if (!literal && last.startsWith('-') && last !== '-') {
    const option = last.includes('=') ? optionOf(command, last) : undefined
    if (option === undefined) return { found: optionsOf(command, given, last), ids: undefined, typed: last }
    const equals = last.indexOf('=') + 1
    return valuesOf(option, last.slice(equals), isSplit ? '' : last.slice(0, equals))
  }
  return positionalsOf(command, positionals, last)
}

/** The words with what bash has split at `=` put together again. */
function joined(words: readonly string[]): { before: string[]; last: string; isSplit: boolean } {
  const whole: string[] = []
  let isSplit = false
  let isOpen = false
  for (const word of words) {
    const previous = whole.at(-1) ?? ''
    isSplit = isOpen || (word === '=' && previous.startsWith('--'))
    isOpen = isSplit && word === '='
    if (isSplit) whole.push(`${whole.pop() ?? ''}${word}`)
    else whole.push(word)
  }
  const last = whole.pop() ?? ''
  return { before: whole, last, isSplit }
}

function optionsOf(command: Command, given: ReadonlySet<Option>, typed: string): Candidate[] {
  const repeats = (option: Option) => option.variadic || option.description.includes('may repeat')
  const help = { value: '--help', description: 'display help for command' }
  return [
    ...command.options
      .filter((option) => !option.hidden && (repeats(option) || !given.has(option)))
      .map(({ long, description }) => ({ value: long ?? '', description })),
    help,
  ].filter(({ value }) => value.startsWith(typed))
}

function valuesOf(option: Option, typed: string, prefix: string): Candidates {
  const found = (option.argChoices ?? [])
    .filter((one) => one.startsWith(typed))
    .map((one) => ({ value: `${prefix}${one}`, description: option.description }))
  return { found, ids: undefined, typed }
}

function positionalsOf(command: Command, positionals: number, typed: string): Candidates {
  const below = positionals === 0 ? visible(command) : []
  const all = command.registeredArguments
  const argument = all[positionals] ?? (all.at(-1)?.variadic === true ? all.at(-1) : undefined)
  const choices = argument?.argChoices ?? []
  const found = [
    ...below.map((one) => ({ value: one.name(), description: one.description() })),
    ...choices.map((value) => ({ value, description: argument?.description ?? '' })),
  ].filter(({ value }) => value.startsWith(typed))
  const kind = /^(job|session|worker|schedule|webhook) ids?$/.exec(argument?.description ?? '')?.[1] as
    IdKind | undefined
  return { found, ids: kind, typed }
}

function visible(command: Command): Command[] {
  return command.commands.filter((one) => !one.name().startsWith('__'))
}

function optionOf(command: Command, word: string): Option | undefined {
  const name = word.split('=')[0]
  return command.options.find(({ long, short }) => long === name || short === name)
}

function takesValue(option: Option): boolean {
  return option.required || option.optional
}
