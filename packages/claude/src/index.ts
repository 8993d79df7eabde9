export {
  findClaude,
  MINIMUM_CLAUDE_VERSION,
  pinnedClaudeVersion,
  type ClaudeBinary,
  type ClaudeFault,
  type FindClaudeOptions,
} from './launch/binary.js'
export { tryWrapper } from './launch/try-wrapper.js'
export type { SpawnPlace, SpawnWrapper } from './launch/launch.js'
export { createSessionStarter, type SessionStarterOptions } from './starter.js'
export { createSessionPool, type SessionPoolDeps, type StartSession } from './pool/pool.js'
export type { SessionPoolOptions } from './pool/options.js'
export { launchKey, reuseKey } from './pool/keys.js'
export { createLineDecoder, type LineDecoder } from './protocol/decoder.js'
export { parseMessage, type ClaudeMessage } from './protocol/message.js'
export { verdict } from './verdict.js'
export { createProcessCare, type ProcessCare, type ProcessCareEvent, type ProcessCareOptions } from './care/care.js'
export { detectProcessCare, type DetectProcessCareOptions, type ProcessCareReport } from './care/detect.js'
export type { CareRung } from './care/cage.js'
export type { Transcript } from './session/transcript.js'
export { holdsLastWord, rowsToResume, toolResultsIn } from './session/turn-rows.js'
export { OWNER_VARIABLE } from './process/owner.js'
export type {
  ClaudeSession,
  Conversation,
  ConversationState,
  ExitFacts,
  Lease,
  PoolStats,
  ResultMessage,
  SessionPool,
  SessionSpec,
  Trace,
  TurnFacts,
  TurnMessage,
  TurnOptions,
  TurnStop,
  Verdict,
} from './types.js'
