// What the generated pages are put together from.

/** A table; what is in a cell cannot leave it. */
export function table(titles, rows) {
  const line = (cells) =>
    `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(titles), `|${titles.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

/** A value as it is written. */
export const code = (text) => `\`${text}\``
