import { createHash } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseApiKeys } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKey, listKeys, revokeKey } from './key-file.js'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'key-file-'))))
afterAll(() => rm(folder, { recursive: true }))

const sha256 = (key: string) => createHash('sha256').update(key).digest('hex')
const NOW = new Date('2026-01-02T03:04:05Z')
const make = (file: string, name?: string) =>
  createKey(file, { tenant: 'acme', scopes: ['enqueue', 'read'], name, now: NOW })

test('keys are made, listed and revoked in a file that the API reads as it is', async () => {
  const file = join(folder, 'keys')
  const ci = await make(file, 'ci, of the team: "blue"')
  const plain = await make(file)
  expect(ci.key).toMatch(/^fleet_[A-Za-z0-9_-]{43}$/)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const text = await readFile(file, 'utf8')
  expect(text).not.toContain(ci.key)
  expect(parseApiKeys('X', text)).toMatchObject([{ sha256: sha256(ci.key) }, { sha256: sha256(plain.key) }])
  const { key: _key, ...shown } = ci
  const listed = await listKeys(file)
  expect(listed[0]).toEqual(shown)
  expect(listed[1]).toMatchObject({ id: plain.id, tenant: 'acme', createdAt: NOW.toISOString() })
  expect(await revokeKey(file, ci.id)).toEqual(shown)
  expect(await readFile(file, 'utf8')).not.toContain('blue')
  await expect(revokeKey(file, ci.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await revokeKey(file, plain.id)
  expect(await readFile(file, 'utf8')).toBe('')
  expect(await readdir(folder)).toEqual(['keys'])
})

test('a file that was written by hand keeps all but the key that is taken out, and stays the link it was', async () => {
  const [a, b, c] = ['a', 'b', 'c'].map(sha256)
  const file = join(folder, 'by-hand')
  await writeFile(file, `# ours\nacme:${a}, beta:${b?.toUpperCase()}:admin\n  gamma:${c}`)
  await chmod(file, 0o644)
  await symlink(file, join(folder, 'link'))
  const link = join(folder, 'link')
  expect((await listKeys(link)).map(({ tenant }) => tenant)).toEqual(['acme', 'beta', 'gamma'])
  await revokeKey(link, `k_${b?.slice(0, 12)}`)
  await make(link)
  const text = await readFile(file, 'utf8')
  expect(text).toMatch(new RegExp(`^# ours\nacme:${a}\n {2}gamma:${c}\n# k_.*\nacme:[0-9a-f]{64}:enqueue\\+read\n$`))
  expect((await stat(file)).mode & 0o777).toBe(0o600)
})

test('of many at once each is in the file, or was told to wait; what is wrong is not written over', async () => {
  const file = join(folder, 'many')
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => make(file)))
  const made = tries.filter(({ status }) => status === 'fulfilled').length
  expect(made).toBeGreaterThan(0)
  expect((await listKeys(file)).length).toBe(made)
  const wrong = join(folder, 'wrong')
  await writeFile(wrong, 'acme:secret')
  await expect(make(wrong)).rejects.toThrow('FLEET_API_KEYS_FILE: entry 1')
  expect(await readFile(wrong, 'utf8')).toBe('acme:secret')
  await expect(listKeys(join(folder, 'none'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
