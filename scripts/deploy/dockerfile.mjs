// The Dockerfile: its grammar by dockerfile-utils, then what this fleet wants of an image.
import { validate } from 'dockerfile-utils'
import { isPinned } from './settings.mjs'

/** What is wrong. `exists`: is there such a path in the checkout. `ignore`: the text of .dockerignore. */
export function findDockerfileFaults(text, { exists, ignore }) {
  const faults = validate(text).map(
    ({ range, message }) => `Dockerfile:${range.start.line + 1}: ${JSON.stringify(message)}`,
  )
  const want = (ok, what) => ok || faults.push(`Dockerfile: ${what}`)
  const steps = text
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((line) => /^([A-Z]+)\s+(.*)$/.exec(line.trim()))
    .filter((match) => match !== null)
    .map((match) => ({ name: match[1], rest: match[2].replaceAll(/\s+/g, ' ') }))
  const all = (name) => steps.filter((step) => step.name === name).map((step) => step.rest)
  const images = Object.fromEntries(all('ARG').map((rest) => rest.split('=')))
  for (const from of all('FROM')) {
    const image = from.split(' ')[0].replace(/^\$\{(\w+)\}$/, (_, name) => images[name])
    want(isPinned(image), `${image} is not pinned`)
  }
  const kept = ignore
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  for (const rest of all('COPY').filter((copy) => !copy.startsWith('--from='))) {
    for (const source of rest
      .split(' ')
      .slice(0, -1)
      .filter((path) => path !== '.')) {
      want(exists(source), `COPY of ${source}, which is not there`)
      want(kept.includes(source), `.dockerignore keeps ${source} from the build`)
    }
  }
  for (const path of kept) want(exists(path), `.dockerignore lets in ${path}, which is not there`)
  want(ignore.split('\n').includes('*'), '.dockerignore lets in what nobody thought of')
  for (const rest of [...all('ARG'), ...all('ENV')])
    want(!/KEY|TOKEN|SECRET|PASSWORD/i.test(rest), `a secret in a layer: ${rest}`)
  want(/^[1-9]\d*:[1-9]\d*$/.test(all('USER').at(-1) ?? ''), 'the last USER is not a number other than 0')
  want(
    all('ENTRYPOINT').at(-1) === '["tini", "--", "claude-fleet"]',
    'PID 1 is not tini, or it signals the whole group',
  )
  want(all('STOPSIGNAL').at(-1) === 'SIGTERM', 'it is not stopped by SIGTERM')
  want(all('ADD').length === 0, 'ADD does more than COPY')
  return faults
}
