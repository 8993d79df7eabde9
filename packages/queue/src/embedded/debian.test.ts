import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { unpackDebianServer } from './debian.js'
import { findProgram, runProgram } from './program.js'

const aptGet = await findProgram(['apt-get'])
const dpkg = await findProgram(['dpkg'])
// Where a server is on PATH the archive is not needed, and may not be reachable.
const isNeeded = (await findProgram(['redis-server', 'valkey-server'])) === undefined

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'debian-'))
})
afterAll(() => rm(folder, { recursive: true }))

test.runIf(aptGet !== undefined && dpkg !== undefined && isNeeded)(
  'two that unpack at once share one server, also where the system has no package lists',
  { timeout: 120_000 },
  async () => {
    // The system's own lists are as if empty: only calls that bring lists of their own get through.
    const shim = join(folder, 'apt-get')
    await writeFile(shim, `#!/bin/sh\ncase "$*" in *Dir::State::lists*) exec ${aptGet} "$@";; esac\nexit 100\n`, {
      mode: 0o755,
    })
    const cacheDir = join(folder, 'cache')
    const tools = { aptGet: shim, dpkg: dpkg ?? '' }
    const [one, other] = await Promise.all([unpackDebianServer(tools, cacheDir), unpackDebianServer(tools, cacheDir)])
    expect(one).toEqual(other)
    const env = { PATH: '/usr/bin:/bin', LD_LIBRARY_PATH: one.libraryPath }
    expect((await runProgram(one.bin, ['--version'], { env })).stdout).toMatch(/server v=\d+\.\d+/)
    expect(await readdir(cacheDir)).toHaveLength(1)

    // A cached server that no longer runs is replaced, not handed out.
    await rm(join(dirname(one.bin), 'redis-check-rdb'))
    expect(await unpackDebianServer(tools, cacheDir)).toEqual(one)
    expect(await readdir(cacheDir)).toHaveLength(1)
  },
)
