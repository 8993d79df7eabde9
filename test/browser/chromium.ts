import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** A real Chromium: `CHROMIUM_BIN`, else one on PATH. Rejects with the command that brings one. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = process.env['CHROMIUM_BIN'] ?? (await findOnPath())
  if (executablePath === undefined) {
    throw new Error('no Chromium on PATH; on Debian: apt-get install chromium; or set CHROMIUM_BIN to one')
  }
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
}

async function findOnPath(): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of NAMES) {
      const file = join(folder, name)
      const found = await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (found) return file
    }
  }
  return undefined
}
