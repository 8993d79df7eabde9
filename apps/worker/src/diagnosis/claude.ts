import { findClaude, MINIMUM_CLAUDE_VERSION, pinnedClaudeVersion, type ClaudeFault } from '@claude-fleet/claude'
import { isFleetError, type Check } from '@claude-fleet/core'

/** `claude --version` takes a fraction of a second; a host that swaps takes longer. */
const START_MS = 7_000

/** In the order in which findClaude looks, and what each has been when it went well. */
const STAGES = [
  { stage: 'found', well: 'found', expected: undefined },
  { stage: 'executable', well: 'executable, and nobody else may change it', expected: undefined },
  { stage: 'real', well: 'the program itself', expected: 'no shell script: signals would not reach claude' },
  { stage: 'starts', well: 'says its version', expected: 'a version' },
  { stage: 'version', well: '', expected: `${MINIMUM_CLAUDE_VERSION} or later` },
] as const satisfies readonly { stage: ClaudeFault['stage']; well: string; expected: string | undefined }[]

/** Is there a claude that a worker can start, and is it the one that this fleet is tested with? */
export async function claudeChecks(bin: string | undefined, path: string): Promise<Check[]> {
  const folder = import.meta.dirname
  const pinned = await pinnedClaudeVersion(folder)
  try {
    const claude = await findClaude({ bin, path, resolveFrom: [folder], timeoutMs: START_MS })
    const checks = STAGES.map(({ stage, well }): Check => {
      const found = { found: claude.path, version: claude.version }[stage as string] ?? well
      return { name: `claude.${stage}`, status: 'ok', found }
    })
    return [...checks, pinnedCheck(claude.version, pinned)]
  } catch (error) {
    if (!isFleetError(error)) throw error
    return faultChecks(error.message, error.details as unknown as ClaudeFault, pinned)
  }
}

function faultChecks(message: string, fault: ClaudeFault, pinned: string | undefined): Check[] {
  const at = STAGES.findIndex(({ stage }) => stage === fault.stage)
  return STAGES.map(({ stage, well, expected }, index): Check => {
    const name = `claude.${stage}`
    if (index > at) return { name, status: 'skipped', found: 'not looked at' }
    if (index < at) return { name, status: 'ok', found: stage === 'found' ? (fault.path ?? well) : well }
    // Of the version that is tested, not of any that is new enough.
    const fix = fault.fix.startsWith('npm install') && pinned !== undefined ? `${fault.fix}@${pinned}` : fault.fix
    return { name, status: 'fail', found: fault.version ?? message, ...(expected && { expected }), fix }
  })
}

function pinnedCheck(version: string, pinned: string | undefined): Check {
  const name = 'claude.pinned'
  if (pinned === undefined)
    return { name, status: 'skipped', found: 'this installation came without a claude of its own' }
  if (version === pinned) return { name, status: 'ok', found: version }
  return { name, status: 'warn', found: version, expected: `${pinned}, which is tested`, fix: 'unset CLAUDE_BIN' }
}
