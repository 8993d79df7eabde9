import type { SessionSpec } from '@claude-fleet/claude'
import { FleetError, findPolicyFault, invalidInput, type WorkerSettings } from '@claude-fleet/core'
import type { Claim } from '@claude-fleet/queue'
import { createTenantFolders } from './tenant-folders.js'

/** Says how the session of a claim is launched. Rejects with FleetError where the job may not have what it asks for. */
export type SessionSpecSource = (claim: Pick<Claim, 'tenant' | 'spec'>) => Promise<SessionSpec>

/**
 * The worker's own check of a job, the one that counts: its policy, its credential and its folders, whatever the API
 * has let through.
 */
export function createSessionSpecSource(
  settings: Pick<
    WorkerSettings,
    'policy' | 'credentials' | 'networkEnv' | 'workspaceRoot' | 'stateDir' | 'trustedWorkspaces'
  >,
): SessionSpecSource {
  const folders = createTenantFolders({ workspaceRoot: settings.workspaceRoot, stateDir: settings.stateDir })
  return async ({ tenant, spec }) => {
    const fault = findPolicyFault(spec, settings.policy)
    if (fault !== undefined) throw invalidInput([fault], fault.code)

    const credential = settings.credentials.get(spec.credential)
    if (credential === undefined || credential.tenants?.includes(tenant) === false) {
      throw new FleetError('FORBIDDEN', `credential ${spec.credential} is not one this tenant may use here`)
    }
    const cwd = await folders.workspace(tenant, spec.cwd)
    return {
      tenant,
      cwd,
      home: await folders.home(tenant),
      credential: spec.credential,
      // The credential last: a job's variables never replace it.
      env: { ...settings.networkEnv, ...spec.env, ...credential.env },
      permissionMode: spec.permissionMode,
      model: spec.model,
      systemPrompt: spec.systemPrompt,
      appendSystemPrompt: spec.appendSystemPrompt,
      allowedTools: spec.allowedTools,
      disallowedTools: spec.disallowedTools,
      outputSchema: spec.outputSchema,
      trustWorkspace: settings.trustedWorkspaces.includes(`${tenant}/${spec.cwd ?? ''}`.replace(/\/$/, '')),
    }
  }
}
