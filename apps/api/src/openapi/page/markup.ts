/** HTML that is safe to put into a page as it is. */
export interface Markup {
  html: string
}

type Part = Markup | readonly Markup[] | string | number | undefined

/** HTML from a template. Whatever is put in is text, and escaped, unless it is markup itself; undefined is nothing. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  const texts = parts.map((part, index) => rendered(part) + (strings[index + 1] ?? ''))
  return { html: (strings[0] ?? '') + texts.join('') }
}

/** Text in which `code` between backticks is set as such. */
export function prose(text: string): Markup[] {
  return text.split('`').map((piece, index) => (index % 2 === 1 ? html`<code>${piece}</code>` : html`${piece}`))
}

function rendered(part: Part): string {
  if (part === undefined) return ''
  if (typeof part === 'string' || typeof part === 'number') return escape(String(part))
  return 'html' in part ? part.html : part.map((one) => one.html).join('')
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => ESCAPES[char] ?? char)
}
