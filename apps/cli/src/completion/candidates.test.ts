import { Argument, Command, Option } from 'commander'
import { expect, test } from 'vitest'
import { candidatesOf } from './candidates.js'

const program = new Command('fleet')
program
  .command('jobs')
  .addOption(new Option('--state <state>', 'state').choices(['failed', 'active', 'finished']))
  .option('--tag <tag>', 'tag; may repeat')
  .option('-q, --quiet', 'ids only')
program.command('get').argument('<id>', 'job id')
program.command('cancel').argument('<id...>', 'job ids')
const workers = program.command('workers')
workers.command('drain').argument('<id>', 'worker id')
program.command('completion').addArgument(new Argument('<shell>', 'shell').choices(['bash', 'zsh']))
program.command('__hidden', { hidden: true })

const values = (...words: string[]) => candidatesOf(program, words).found.map(({ value }) => value)

test.each<[string[], string[]]>([
  [[''], ['jobs', 'get', 'cancel', 'workers', 'completion']],
  [['c'], ['cancel', 'completion']],
  [
    ['jobs', '--'],
    ['--state', '--tag', '--quiet', '--help'],
  ],
  [
    ['jobs', '--state', ''],
    ['failed', 'active', 'finished'],
  ],
  [
    ['jobs', '--state', 'f'],
    ['failed', 'finished'],
  ],
  // As one word, as zsh and fish give it, and split, as bash does.
  [
    ['jobs', '--state=f'],
    ['--state=failed', '--state=finished'],
  ],
  [
    ['jobs', '--state', '='],
    ['failed', 'active', 'finished'],
  ],
  [
    ['jobs', '--state', '=', 'f'],
    ['failed', 'finished'],
  ],
  [['jobs', '--state', '=', 'failed', '--s'], []],
  [
    ['jobs', '--state', 'failed', '--tag', 'x', '--'],
    ['--tag', '--quiet', '--help'],
  ],
  [['jobs', '-q', '--q'], []],
  [['jobs', '--tag', ''], []],
  [['workers', 'd'], ['drain']],
  [
    ['completion', ''],
    ['bash', 'zsh'],
  ],
  [['completion', 'bash', ''], []],
  [['get', '--', '--'], []],
])('behind %j there may come %j', (words, expected) => {
  expect(values(...words)).toEqual(expected)
})

test.each<[string[], 'job' | 'worker' | undefined]>([
  [['get', 'j_'], 'job'],
  [['get', 'j_a', ''], undefined],
  [['cancel', 'j_a', ''], 'job'],
  [['workers', 'drain', ''], 'worker'],
  [['jobs', ''], undefined],
])('behind %j ids of %s are asked for', (words, ids) => {
  expect(candidatesOf(program, words).ids).toBe(ids)
})
