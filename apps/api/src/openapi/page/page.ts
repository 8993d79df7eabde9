import { createHash } from 'node:crypto'
import type { DocumentedOperation, DocumentedResponse, OpenApiDocument } from '../document.js'
import type { JsonSchema } from '../schemas.js'
import { renderCurl } from './curl.js'
import { html, prose, type Markup } from './markup.js'
import { renderField, renderShape, typeOf } from './shape.js'
import { STYLE } from './style.js'

export interface Page {
  html: string
  /** Allows this page's own style and nothing else. */
  contentSecurityPolicy: string
}

// Its hash is in the policy, so nothing may come between the tags but the style.
const STYLE_ELEMENT: Markup = { html: `<style>${STYLE}</style>` }

/** The document as one page without scripts, for people: every call with a curl line, every shape, linked. */
export function renderPage(document: OpenApiDocument): Page {
  const { info, tags, components } = document
  const calls = callsOf(document)
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${info.title} ${info.version}: HTTP API</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <a class="skip" href="#main">To the text</a>
        <div class="page">
          <nav aria-label="Contents">
            <strong>${info.title}</strong> <span class="faint">${info.version}</span>
            ${tags.map(
              ({ name }) =>
                html`<h2>${name}</h2>
                  <ul>
                    ${calls.filter((call) => call.tag === name).map(({ operation }) => html`<li><a href="#${operation.operationId}">${operation.summary}</a></li>`)}
                  </ul>`,
            )}
            <h2>shapes</h2>
            <ul>
              ${Object.keys(components.schemas).map((name) => html`<li><a href="#schema-${name}">${name}</a></li>`)}
            </ul>
          </nav>
          <main id="main">
            <h1>${info.title}: HTTP API</h1>
            ${info.description.split('\n\n').map((paragraph) => html`<p>${prose(paragraph)}</p>`)}
            <p>As OpenAPI 3.1: <a href="/openapi.json">/openapi.json</a></p>
            ${tags.map(
              ({ name, description }) =>
                html`<h2>${name}</h2>
                  <p>${prose(description)}</p>
                  ${calls.filter((call) => call.tag === name).map((call) => renderCall(call, document))}`,
            )}
            <h2>shapes</h2>
            ${Object.entries(components.schemas).map(renderSchema)}
          </main>
        </div>
      </body>
    </html> `
  const digest = createHash('sha256').update(STYLE).digest('base64')
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${digest}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return { html: page.html, contentSecurityPolicy: policy.join(';') }
}

interface Call {
  method: string
  path: string
  tag: string
  operation: DocumentedOperation
}

function callsOf({ paths }: OpenApiDocument): Call[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method,
      path,
      tag: operation.tags[0] ?? '',
      operation,
    })),
  )
}

function renderCall({ method, path, operation }: Call, document: OpenApiDocument): Markup {
  const { operationId, summary, description, parameters = [], requestBody, responses, security } = operation
  const scope = security[0]?.['bearer']?.[0]
  const body = requestBody?.content['application/json']
  return html`<section aria-labelledby="${operationId}">
    <h3 id="${operationId}"><a href="#${operationId}">${summary}</a></h3>
    <p class="call">
      <strong class="${method}">${method.toUpperCase()}</strong> <code>${path}</code>
      <span class="faint">${scope === undefined ? 'no key' : `scope ${scope}`}</span>
    </p>
    ${description === undefined ? undefined : html`<p>${prose(description)}</p>`}
    <pre tabindex="0">${renderCurl({ method, path, operation })}</pre>
    ${
      parameters.length === 0
        ? undefined
        : html`<h4>Parameters</h4>
            <dl>
              ${parameters.map((parameter) =>
                renderField(
                  parameter.name,
                  { ...parameter.schema, description: `${parameter.description ?? ''} (${parameter.in})`.trim() },
                  parameter.required,
                ),
              )}
            </dl>`
    }
    ${
      body === undefined
        ? undefined
        : html`<h4>Body</h4>
            <p>${typeOf(body.schema)}</p>
            ${Object.entries(body.examples).map(([name, example]) => renderExample(name, example.value))}`
    }
    <h4>Answers</h4>
    <dl>
      ${Object.entries(responses).map(([status, response]) => renderResponse(status, resolved(response, document)))}
    </dl>
  </section>`
}

function renderResponse(status: string, { description, headers = {}, content = {} }: DocumentedResponse): Markup {
  const [type, body] = Object.entries(content)[0] ?? []
  const extra = Object.keys(headers).filter((name) => name !== 'request-id')
  const named = extra.map((name) => html` <code>${name}</code>`)
  const example = body?.example ?? Object.values(body?.examples ?? {})[0]?.value
  return html`<div>
    <dt><strong>${status}</strong> ${prose(description)}</dt>
    <dd class="faint">
      ${type === undefined || body === undefined ? 'no body' : html`${type}: ${typeOf(body.schema)}`}${named}
    </dd>
    <dd>${example === undefined ? undefined : renderExample('example', example)}</dd>
  </div>`
}

function renderExample(name: string, value: unknown): Markup {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
  return html`<details>
    <summary>${name}</summary>
    <pre tabindex="0">${text}</pre>
  </details>`
}

function renderSchema([name, schema]: [string, JsonSchema]): Markup {
  const { description } = schema
  return html`<section aria-labelledby="schema-${name}">
    <h3 id="schema-${name}"><a href="#schema-${name}">${name}</a></h3>
    ${typeof description === 'string' ? html`<p>${prose(description)}</p>` : undefined} ${renderShape(schema)}
  </section>`
}

/** Follows a reference to a component's response. */
function resolved(
  response: DocumentedResponse | { $ref: string },
  { components }: OpenApiDocument,
): DocumentedResponse {
  if (!('$ref' in response)) return response
  const target = components.responses[response.$ref.split('/').at(-1) ?? '']
  if (target === undefined) throw new Error(`${response.$ref} is nowhere`)
  return target
}
