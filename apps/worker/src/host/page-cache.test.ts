import { stat } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { readIntoPageCache } from './page-cache.js'

test('reads all of a file, stops when told to, and says what cannot be read', async () => {
  const { size } = await stat(process.execPath)
  expect(await readIntoPageCache(process.execPath, new AbortController().signal)).toBe(size)
  await expect(readIntoPageCache(process.execPath, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  await expect(readIntoPageCache('/no/such/file', new AbortController().signal)).rejects.toMatchObject({
    code: 'ENOENT',
  })
})
