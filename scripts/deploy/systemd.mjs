// deploy/systemd: systemd's own check where there is one, then what this fleet wants of a unit.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { durationMs, findGraceFaults, findSettingFaults, SAMPLES } from './settings.mjs'

const CREDENTIALS = {
  // No unit allows a Redis elsewhere without TLS.
  'redis-url': SAMPLES.redisUrl.replace('redis://', 'rediss://'),
  'job-key': SAMPLES.jobKey,
  'api-keys': SAMPLES.apiKeys,
  'admin-password': SAMPLES.password,
  'anthropic-api-key': SAMPLES.anthropicKey,
}
const HARDENING = ['NoNewPrivileges=yes', 'ProtectSystem=strict', 'ProtectHome=yes', 'PrivateTmp=yes', 'UMask=0077']
/** %d is the folder of credentials, the others name this host and unit. */
const SPECIFIERS = { '%d': '/run/credentials', '%S': '/var/lib', '%t': '/run', '%H': 'host', '%i': '1' }

/** What is wrong with the units. `units`: file name to text. */
export function findSystemdFaults(units) {
  return Object.entries(units).flatMap(([name, text]) => findUnitFaults(name, text))
}

/** What `systemd-analyze verify` says; undefined where there is no systemd. */
export function verifyWithSystemd(units) {
  if (spawnSync('systemd-analyze', ['--version']).status !== 0) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'units-'))
  try {
    const paths = Object.entries(units).map(([name, text]) => {
      const path = join(folder, basename(name))
      // It asks whether the program is there: Node may live elsewhere on this machine.
      writeFileSync(path, text.replace('ExecStart=/usr/bin/node', `ExecStart=${process.execPath}`))
      return path
    })
    const run = spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', ...paths], {
      encoding: 'utf8',
    })
    return [run.stdout, run.stderr]
      .join('')
      .split('\n')
      .filter((line) => line.trim() !== '')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function findUnitFaults(name, text) {
  const faults = []
  const want = (ok, what) => ok || faults.push(`${name}: ${what}`)
  const settings = text.split('\n').flatMap((line) => {
    const match = /^(\w+)=(.*)$/.exec(line)
    return match === null ? [] : [[match[1], match[2]]]
  })
  const all = (key) => settings.filter((setting) => setting[0] === key).map((setting) => setting[1])
  const one = (key) => all(key)[0]
  for (const line of HARDENING) want(text.includes(`\n${line}\n`), `lacks ${line}`)
  want(one('KillMode') === 'mixed', 'KillMode is not mixed: a stop would reach claude too')
  want(one('RestartPreventExitStatus') === '78', 'would be restarted for ever with a bad setting')
  const role = one('ExecStart').split(' ').at(-1)
  want(one('ExecStart').startsWith('/usr/bin/node /opt/claude-fleet/'), 'starts something else')
  const env = Object.fromEntries(
    all('Environment').map((line) => {
      const [key, ...rest] = line.split('=')
      return [key, rest.join('=').replaceAll(/%[dStHi]/g, (specifier) => SPECIFIERS[specifier])]
    }),
  )
  const loaded = all('LoadCredential').map((line) => line.split(':')[0])
  const files = Object.fromEntries(loaded.map((id) => [`/run/credentials/${id}`, CREDENTIALS[id]]))
  faults.push(...findSettingFaults(name, role, env, files))
  if (role === 'worker') {
    want(one('Delegate') === 'yes' && one('OOMPolicy') === 'continue', 'lacks Delegate or OOMPolicy')
    faults.push(...findGraceFaults(name, durationMs(one('TimeoutStopSec')), Number(env.FLEET_DRAIN_MS)))
  }
  return faults
}
