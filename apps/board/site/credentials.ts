import { html, type Node } from './vendor/preact.js'
import { ask, type Credential } from './api.js'
import { confirmed } from './confirm.js'

/** Credentials that jobs cannot use now, and why: nothing while all can be used. */
export function Credentials({ credentials }: { credentials: Credential[] }): Node {
  const closed = credentials.filter(({ state }) => state !== 'open')
  if (closed.length === 0) return html``
  return html`<section aria-labelledby="credentials">
    <h2 id="credentials">Credentials that cannot be used</h2>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="credentials">
      <table>
        <thead>
          <tr>
            <th>Credential</th>
            <th>State</th>
            <th>Why</th>
            <th class="num">Jobs held</th>
            <th>Until</th>
            <th></th>
          </tr>
        </thead>
        <tbody>
          ${closed.map(
            ({ name, state, code, message, jobs, resumesAt }) =>
              html`<tr key=${name}>
                <td>${name}</td>
                <td class=${state === 'broken' ? 'bad' : 'warn'}>${state}</td>
                <td>${[code, message].filter((text) => text !== undefined).join(': ')}</td>
                <td class="num">${jobs}</td>
                <td>${resumesAt === undefined ? 'somebody resumes it' : new Date(resumesAt).toLocaleString()}</td>
                <td><button onClick=${() => resume(name)}>Resume</button></td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </section>`
}

async function resume(name: string): Promise<void> {
  const question = `Resume the credential ${name}? One job tries it, and when that is answered the others go on.`
  if (!(await confirmed(question, 'Resume'))) return
  await ask(`/api/credentials/${encodeURIComponent(name)}/resume`, { method: 'POST' }).catch((error: unknown) =>
    alert(String(error)),
  )
}
