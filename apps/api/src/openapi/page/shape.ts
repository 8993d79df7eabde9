import type { JsonSchema } from '../schemas.js'
import { html, prose, type Markup } from './markup.js'

/** The fields of an object schema, each with its type, bounds and meaning; or what else a schema says. */
export function renderShape(schema: JsonSchema): Markup {
  const fields = Object.entries((schema['properties'] ?? {}) as Record<string, JsonSchema>)
  if (fields.length === 0) return html`<p>${typeOf(schema)} <span class="faint">${boundsOf(schema)}</span></p>`
  const required = (schema['required'] ?? []) as string[]
  return html`<dl>${fields.map(([name, field]) => renderField(name, field, required.includes(name)))}</dl>`
}

/** One named value: a field, a parameter or a header. */
export function renderField(name: string, field: JsonSchema, required: boolean): Markup {
  const { description } = field
  const meaning = typeof description === 'string' ? html`<p>${prose(description)}</p>` : undefined
  const nested = 'properties' in field ? renderShape(field) : undefined
  return html`<div>
    <dt><code>${name}</code> ${typeOf(field)}${required ? html` <strong>required</strong>` : undefined}</dt>
    <dd><span class="faint">${boundsOf(field)}</span>${meaning}${nested}</dd>
  </div>`
}

/** A schema's type in a word, as a link where it has a name. */
export function typeOf(schema: JsonSchema): Markup {
  const ref = schema['$ref']
  if (typeof ref === 'string') {
    const name = ref.split('/').at(-1) ?? ''
    return html`<a href="#schema-${name}">${name}</a>`
  }
  const choices = schema['oneOf'] ?? schema['anyOf']
  if (Array.isArray(choices)) {
    return html`${(choices as JsonSchema[]).map((choice, index) => html`${index > 0 ? ' or ' : ''}${typeOf(choice)}`)}`
  }
  if (schema['type'] === 'array') return html`list of ${typeOf((schema['items'] ?? {}) as JsonSchema)}`
  const values = schema['additionalProperties']
  if (schema['type'] === 'object' && typeof values === 'object' && values !== null && Object.keys(values).length > 0) {
    return html`map to ${typeOf(values as JsonSchema)}`
  }
  return html`${typeof schema['type'] === 'string' ? schema['type'] : 'any JSON'}`
}

const BOUNDS: Readonly<Record<string, string>> = {
  minimum: 'from',
  exclusiveMinimum: 'more than',
  maximum: 'to',
  minLength: 'characters from',
  maxLength: 'characters to',
  minItems: 'items from',
  maxItems: 'items to',
  pattern: 'matches',
  const: 'always',
  default: 'default',
}

function boundsOf(schema: JsonSchema): Markup {
  const said = Object.entries(BOUNDS).flatMap(([key, words]) => {
    const value = schema[key]
    if (value === undefined) return []
    return [html`${words} <code>${typeof value === 'string' ? value : JSON.stringify(value)}</code> `]
  })
  const choices = schema['enum']
  const named = Array.isArray(choices)
    ? html`one of ${choices.map((choice) => html`<code>${String(choice)}</code> `)}`
    : undefined
  return html`${named}${said}`
}
