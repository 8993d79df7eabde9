// deploy/kubernetes: the schemas of Kubernetes and KEDA, unknown fields included, then what this fleet wants of them.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { findGraceFaults, findSettingFaults, isPinned, SAMPLES } from './settings.mjs'

const SECRETS = {
  'claude-fleet-redis/url': SAMPLES.redisUrl,
  'claude-fleet-jobs/key': SAMPLES.jobKey,
  'claude-fleet-api/keys': SAMPLES.apiKeys,
  'claude-fleet-board/admin-password': SAMPLES.password,
  'claude-fleet-worker/anthropic-api-key': SAMPLES.anthropicKey,
}

/** What is wrong with the manifests. `files`: path to text. `metrics`: the source that names the fleet's metrics. */
export async function findKubernetesFaults(files, { root, metrics }) {
  const faults = []
  const objects = []
  for (const [path, text] of Object.entries(files)) {
    for (const document of parseAllDocuments(text)) {
      faults.push(...document.errors.map((error) => `${path}: ${error.message}`))
      const object = document.toJS()
      if (object.kind === 'Kustomization') faults.push(...findMissingResources(path, object, files))
      else objects.push({ path, object })
    }
  }
  if (faults.length > 0) return faults
  faults.push(...(await findSchemaFaults(objects, root)))
  if (faults.length > 0) return faults
  const all = objects.map(({ object }) => object)
  for (const object of all) if (object.spec?.template !== undefined) faults.push(...findWorkloadFaults(object, all))
  for (const scaled of all.filter(({ kind }) => kind === 'ScaledObject'))
    faults.push(...findScalingFaults(scaled, all, metrics))
  return faults
}

function findMissingResources(path, { resources }, files) {
  const folder = path.slice(0, path.lastIndexOf('/'))
  return resources.filter((name) => files[`${folder}/${name}`] === undefined).map((name) => `${path}: no ${name}`)
}

/** Values by the packages' validators; names of fields by the compiler, which knows of no others in a literal. */
async function findSchemaFaults(objects, root) {
  const faults = []
  const lines = []
  for (const { path, object } of objects) {
    const [group, version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion]
    const source = group.endsWith('keda.sh') ? '@kubernetes-models/keda' : 'kubernetes-models'
    const module = [source, group, version, object.kind].filter(Boolean).join('/')
    let Model
    try {
      Model = (await import(module))[object.kind]
    } catch {
      faults.push(`${path}: there is no ${object.apiVersion} ${object.kind}`)
      continue
    }
    try {
      new Model(object).validate()
    } catch (error) {
      faults.push(`${path} ${object.kind} ${object.metadata.name}: ${error.message}`)
    }
    const literal = JSON.stringify(object, null, 1)
    lines.push(`// ${path}\nexport const o${lines.length}: import('${module}').I${object.kind} = ${literal}\n`)
  }
  return [...faults, ...findUnknownFields(lines.join(''), root)]
}

function findUnknownFields(source, root) {
  const cache = join(root, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'manifests-'))
  try {
    writeFileSync(join(folder, 'manifests.ts'), source)
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--pretty', 'false']
    const tsc = join(root, 'node_modules', '.bin', 'tsc')
    const run = spawnSync(tsc, [...flags, '--ignoreConfig', join(folder, 'manifests.ts')], { encoding: 'utf8' })
    if (run.status === 0) return []
    const said = run.stdout.split('\n').filter((line) => line.includes('error TS'))
    const texts = source.split('\n')
    return said.length === 0
      ? [`tsc ended with ${run.status}: ${run.error?.message ?? run.stdout + run.stderr}`]
      : said.map((line) => {
          const at = Number(/\((\d+),/.exec(line)?.[1] ?? 1) - 1
          const path = texts.slice(0, at).findLast((text) => text.startsWith('// '))
          return `${path?.slice(3)}: ${texts[at]?.trim()} ${line.slice(line.indexOf('error TS'))}`
        })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function findWorkloadFaults({ kind, metadata, spec }, all) {
  const where = `${kind} ${metadata.name}`
  const faults = []
  const want = (ok, what) => ok || faults.push(`${where}: ${what}`)
  const pod = spec.template.spec
  const labels = spec.template.metadata.labels
  for (const [key, value] of Object.entries(spec.selector.matchLabels)) want(labels[key] === value, `selects no ${key}`)
  want(pod.securityContext?.runAsNonRoot === true, 'may run as root')
  want(pod.securityContext?.seccompProfile?.type === 'RuntimeDefault', 'has no seccomp profile')
  want(pod.automountServiceAccountToken === false, 'gets a token of the cluster')
  for (const container of pod.containers) {
    const context = container.securityContext
    want(isPinned(container.image), `${container.image} is not pinned`)
    want(context?.readOnlyRootFilesystem === true, 'its root can be written')
    want(context?.allowPrivilegeEscalation === false, 'may gain privileges')
    want(context?.capabilities?.drop?.includes('ALL'), 'has capabilities')
    want(container.resources?.limits?.memory && container.resources.requests?.cpu, 'has no resources')
    want(container.readinessProbe && container.startupProbe, 'lacks a probe')
    const volumes = new Set(
      [...pod.volumes, ...(spec.volumeClaimTemplates ?? []).map((one) => one.metadata)].map((one) => one.name),
    )
    for (const mount of container.volumeMounts) want(volumes.has(mount.name), `no volume ${mount.name}`)
    if (container.name === 'redis') {
      const args = container.args.join(' ')
      for (const flag of ['--appendonly yes', '--maxmemory ', '--maxmemory-policy noeviction'])
        want(args.includes(flag), `not ${flag}`)
      continue
    }
    want(container.livenessProbe, 'lacks a liveness probe')
    const env = environment(container, all)
    faults.push(...findSettingFaults(where, container.args[0], env, mountedFiles(container, pod)))
    if (container.name === 'worker')
      faults.push(...findGraceFaults(where, pod.terminationGracePeriodSeconds * 1_000, Number(env.FLEET_DRAIN_MS)))
  }
  return faults
}

function environment({ env = [], envFrom = [] }, all) {
  const maps = envFrom.map(({ configMapRef }) => {
    const map = all.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef.name)
    return map?.data ?? {}
  })
  return Object.assign({}, ...maps, Object.fromEntries(env.map(({ name, value }) => [name, value])))
}

function mountedFiles(container, { volumes }) {
  const files = container.volumeMounts.flatMap(({ name, mountPath }) => {
    const secret = volumes.find((volume) => volume.name === name)?.secret?.secretName
    return Object.entries(SECRETS)
      .filter(([key]) => key.split('/')[0] === secret)
      .map(([key, text]) => [`${mountPath}/${key.split('/')[1]}`, text])
  })
  return Object.fromEntries(files)
}

function findScalingFaults({ metadata, spec }, all, metrics) {
  const faults = []
  const has = (kind, name) => all.some((one) => one.kind === kind && one.metadata.name === name)
  if (!has('Deployment', spec.scaleTargetRef.name))
    faults.push(`${metadata.name}: no Deployment ${spec.scaleTargetRef.name}`)
  for (const { name, metadata: trigger } of spec.triggers) {
    const { hostname, port, pathname } = new URL(trigger.url)
    const service = all.find((one) => one.kind === 'Service' && one.metadata.name === hostname.split('.')[0])
    if (!service?.spec.ports.some((one) => String(one.port) === port))
      faults.push(`${name}: no service ${hostname}:${port}`)
    const metric = /^\w+/.exec(trigger.valueLocation)?.[0]
    if (pathname !== '/metrics' || !metrics.includes(`'${metric}'`)) faults.push(`${name}: no metric ${metric}`)
  }
  return faults
}
