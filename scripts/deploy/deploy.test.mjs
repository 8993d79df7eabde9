import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { findComposeFaults } from './compose.mjs'
import { findDockerfileFaults } from './dockerfile.mjs'
import { findKubernetesFaults } from './kubernetes.mjs'
import { findSystemdFaults } from './systemd.mjs'

const root = resolve(import.meta.dirname, '..', '..')
const read = (path) => readFileSync(join(root, path), 'utf8')

/** Each line: what is changed in the good file, and what must be said of it. */
test.each([
  ["FLEET_DRAIN_MS: '60000'", "FLEET_DRAIN_MS: '80000'", 'no time after FLEET_DRAIN_MS'],
  ['stop_grace_period: 90s', 'stop_grace_period: 60s', 'less than the 90 s'],
  ['redis:7.4.11-alpine', 'redis:latest', 'redis:latest is not pinned'],
  ['noeviction', 'allkeys-lru', '--maxmemory-policy noeviction'],
  ['FLEET_CONCURRENCY: ', 'FLEET_CONCURENCY: ', 'FLEET_CONCURENCY is no setting of worker'],
  ['FLEET_API_HOST: 0.0.0.0', "FLEET_API_HOST: 'a b'", 'FLEET_API_HOST'],
  ['secrets: [redis_url, job_key, api_keys]', 'secrets: [redis_url, job_key]', 'FLEET_API_KEYS_FILE'],
  ['127.0.0.1:3000', '0.0.0.0:3000', 'open to the network'],
  ['read_only: true', 'readonly: true', 'must NOT have additional properties'],
  ['{ internal: true }', '{ internal: false }', 'has a way out'],
  ['  api_keys: { file', '  api_key: { file', 'nobody makes'],
  ['command: [worker]', 'command: [worker]\n    container_name: w', 'cannot scale'],
])('compose: %j for %j is caught', (good, bad, said) => {
  const given = {
    compose: read('docker-compose.yml'),
    example: read('.env.example'),
    maker: read('deploy/make-secrets.sh'),
  }
  expect(given.compose).toContain(good)
  expect(findComposeFaults(given)).toEqual([])
  const faults = findComposeFaults({ ...given, compose: given.compose.replace(good, bad) })
  expect(faults.join('\n')).toContain(said)
})

const manifests = Object.fromEntries(
  readdirSync(join(root, 'deploy/kubernetes'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.yaml'))
    .map((path) => [path, read(`deploy/kubernetes/${path}`)]),
)
test.each([
  ['base/worker.yaml', 'readOnlyRootFilesystem: true', 'readOnlyRootFileSystem: true', 'readOnlyRootFileSystem'],
  ['base/worker.yaml', 'terminationGracePeriodSeconds: 90', 'terminationGracePeriodSeconds: 30', 'less than the 90 s'],
  ['base/worker.yaml', 'periodSeconds: 3', 'periodSeconds: three', 'periodSeconds'],
  ['base/worker.yaml', 'name: FLEET_DRAIN_MS', 'name: FLEET_DRAIN', 'FLEET_DRAIN is no setting of worker'],
  ['base/api.yaml', 'secretName: claude-fleet-api', 'secretName: other', 'FLEET_API_KEYS_FILE'],
  ['base/api.yaml', 'kind: Service', 'kind: Servicee', 'there is no v1 Servicee'],
  ['base/kustomization.yaml', '- worker.yaml', '- workers.yaml', 'no workers.yaml'],
  ['keda/worker-scaling.yaml', 'claude_fleet_jobs{state="active"}', 'claude_fleet_job', 'no metric claude_fleet_job'],
  ['keda/worker-scaling.yaml', 'maxReplicaCount', 'maxReplicas', 'maxReplicas'],
])('kubernetes: %s with %j for %j is caught', async (path, good, bad, said) => {
  const metrics = "'claude_fleet_jobs' 'claude_fleet_oldest_waiting_seconds'"
  expect(manifests[path]).toContain(good)
  const changed = { ...manifests, [path]: manifests[path].replace(good, () => bad) }
  expect((await findKubernetesFaults(changed, { root, metrics })).join('\n')).toContain(said)
})

test.each([
  ['KillMode=mixed', 'KillMode=control-group', 'KillMode is not mixed'],
  ['TimeoutStopSec=90', 'TimeoutStopSec=75', 'less than the 90 s'],
  ['LoadCredential=redis-url', 'LoadCredential=redis', 'REDIS_URL_FILE'],
  ['NoNewPrivileges=yes', 'NoNewPrivileges=no', 'lacks NoNewPrivileges'],
  ['Environment=FLEET_HEALTH_DIR', 'Environment=FLEET_HEALTH', 'FLEET_HEALTH is no setting of worker'],
])('systemd: %j for %j is caught', (good, bad, said) => {
  const name = 'claude-fleet-worker@.service'
  const text = read(`deploy/systemd/${name}`)
  expect(text).toContain(good)
  expect(findSystemdFaults({ [name]: text })).toEqual([])
  expect(findSystemdFaults({ [name]: text.replace(good, bad) }).join('\n')).toContain(said)
})

test.each([
  ['node:22.23.3-bookworm-slim', 'node:slim', 'is not pinned'],
  ['USER 1000:1000', 'USER root', 'USER'],
  ['"tini", "--"', '"tini", "-g", "--"', 'PID 1'],
  ['COPY scripts/pn.mjs', 'COPY scripts/pnpm.mjs', 'scripts/pnpm.mjs, which is not there'],
  ['ENV NODE_ENV', 'ENV API_KEY=x NODE_ENV', 'a secret in a layer'],
  ['RUN node', 'RUNN node', 'Dockerfile:'],
])('Dockerfile: %j for %j is caught', (good, bad, said) => {
  const checkout = { exists: (path) => existsSync(join(root, path)), ignore: read('.dockerignore') }
  const text = read('Dockerfile')
  expect(text).toContain(good)
  expect(findDockerfileFaults(text, checkout)).toEqual([])
  expect(findDockerfileFaults(text.replace(good, bad), checkout).join('\n')).toContain(said)
})
