import { canonicalJson } from '@claude-fleet/core'
import type { ConversationState, SessionSpec } from '../types.js'

/**
 * What a process is started with and cannot change afterwards. A process may be given to a spec only where the launch
 * keys are equal. Values of the environment are in it: keep it out of logs.
 */
export function launchKey(spec: SessionSpec): string {
  return canonicalJson({
    tenant: spec.tenant,
    home: spec.home,
    credential: spec.credential,
    env: spec.env,
    cwd: spec.cwd,
    trustWorkspace: spec.trustWorkspace,
    permissionMode: spec.permissionMode,
    model: spec.model ?? null,
    allowedTools: spec.allowedTools ?? [],
    disallowedTools: spec.disallowedTools ?? [],
  })
}

/**
 * What a process that has run a conversation must share with a spec to begin another: the launch, and what only the
 * first `initialize` of a process sets. Without a field its default holds, which is not the same as an empty one. And one
 * that is to go on with a conversation must have it, as far as it has come.
 */
export function reuseKey(spec: SessionSpec, conversation: ConversationState | undefined = spec.conversation): string {
  return canonicalJson({
    launch: launchKey(spec),
    systemPrompt: spec.systemPrompt ?? null,
    appendSystemPrompt: spec.appendSystemPrompt ?? null,
    outputSchema: spec.outputSchema ?? null,
    conversation: conversation === undefined ? null : { id: conversation.id, revision: conversation.revision },
  })
}
