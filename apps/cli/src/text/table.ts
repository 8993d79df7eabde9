import { oneLine, type Style } from './style.js'

export interface Column<T> {
  title: string
  text: (row: T) => string
  paint?: ((row: T, text: string) => string) | undefined
  right?: boolean
}

const GAP = '  '

/**
 * Lines of a table whose columns are as wide as their widest cell. Where the width of the terminal is known, the last
 * column is cut to it. What is in a cell cannot leave its line.
 */
export function tableLines<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  options: { width: number | undefined; style: Style },
): string[] {
  const cells = rows.map((row) => columns.map(({ text }) => oneLine(text(row), undefined)))
  const widths = columns.map(({ title }, at) => Math.max(title.length, ...cells.map((row) => row[at]?.length ?? 0)))
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0)
  const last = options.width ? Math.max(8, options.width - before) : undefined
  const pad = (text: string, at: number, paint: (text: string) => string) => {
    const isLast = at === columns.length - 1
    const shown = isLast ? oneLine(text, last) : text
    const space = ' '.repeat(Math.max(0, (widths[at] ?? 0) - shown.length))
    if (columns[at]?.right === true) return space + paint(shown)
    return paint(shown) + (isLast ? '' : space)
  }
  const head = columns.map(({ title }, at) => pad(title, at, options.style.dim)).join(GAP)
  const lines = rows.map((row, index) =>
    columns
      .map(({ paint }, at) =>
        pad(cells[index]?.[at] ?? '', at, (text) => (paint === undefined ? text : paint(row, text))),
      )
      .join(GAP),
  )
  return [head, ...lines].map((line) => line.trimEnd())
}
