import { z } from 'zod'
import { FAKE_VERSION, type Telling } from './wording.js'

export const requestSchema = z.looseObject({
  subtype: z.string(),
  model: z.string().optional(),
  mode: z.string().optional(),
  path: z.string().optional(),
})

export type ControlAnswer = { response?: object } | { error: string; code?: string }

const MODES = ['acceptEdits', 'auto', 'bypassPermissions', 'default', 'dontAsk', 'plan']

/**
 * Answers a control request as claude does (recorded, 2.1.330), all but `interrupt`, which is the conversation's. Model,
 * mode and folder are changed in `state`.
 */
export function answerControl(request: z.infer<typeof requestSchema>, state: Telling, costUsd: number): ControlAnswer {
  switch (request.subtype) {
    case 'initialize': {
      const lists = { commands: [], agents: [], models: [], account: {} }
      return { response: { ...lists, output_style: 'default', claude_code_version: FAKE_VERSION } }
    }
    case 'set_model':
      state.model = request.model ?? state.model
      return { response: { model: state.model } }
    case 'set_permission_mode':
      return setMode(request.mode ?? '', state)
    case 'set_cwd': {
      const cwd = request.path ?? state.cwd
      const changed = cwd !== state.cwd
      state.cwd = cwd
      return { response: { status: 'ok', cwd, changed, transcript_relocated: false } }
    }
    case 'get_usage':
      return { response: { session: { total_cost_usd: costUsd } } }
    case 'get_binary_version':
      return { response: { version: FAKE_VERSION } }
    case 'apply_flag_settings':
    case 'set_max_thinking_tokens':
    case 'stop_task':
    case 'end_session':
      return {}
    case 'claim_session':
      return { error: 'not_a_spare: claim_session is only accepted by a process started with --await-claim' }
    default:
      return { error: `Unsupported control request subtype: ${request.subtype}`, code: 'unsupported_request' }
  }
}

function setMode(mode: string, state: Telling): ControlAnswer {
  if (!MODES.includes(mode)) {
    return { error: `Cannot set permission mode: must be one of ${MODES.join(', ')}`, code: 'invalid_mode' }
  }
  if (mode === 'bypassPermissions') {
    return { error: 'Cannot set permission mode to bypassPermissions', code: 'bypass_not_launched' }
  }
  state.permissionMode = mode
  return { response: { mode } }
}
