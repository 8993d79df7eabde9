import stringWidth from 'string-width'
import { oneLine, padded, type Style } from './style.js'

export interface Column<T> {
  title: string
  text: (row: T) => string
  paint?: ((row: T, text: string) => string) | undefined
  right?: boolean
  /** Columns leave a terminal that is too narrow from the highest of these to the lowest; without one it stays. */
  leaves?: number
}

const GAP = 2
const LAST_MIN = 8

/**
 * Lines of a table whose columns are as wide as their widest cell. Where the width of the terminal is known, columns
 * that are worth least leave until the rest fits, and the last one is cut. What is in a cell cannot leave its line.
 */
export function tableLines<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  { width, style }: { width: number | undefined; style: Style },
): string[] {
  const all = columns.map((column) => {
    const cells = rows.map((row) => oneLine(column.text(row), undefined))
    return { ...column, cells, width: Math.max(...[column.title, ...cells].map((text) => stringWidth(text))) }
  })
  const shown = width ? fitting(all, width) : all
  const head = shown.map(({ title, right, width: cells }) => padded(title, cells, right ? 'right' : 'left', style.dim))
  const lines = rows.map((row, index) =>
    shown.map(({ cells, right, paint, width: space }, at) => {
      const text = oneLine(cells[index] ?? '', at === shown.length - 1 ? space : undefined)
      return padded(text, space, right ? 'right' : 'left', (plain) => (paint === undefined ? plain : paint(row, plain)))
    }),
  )
  return [head, ...lines].map((line) => line.join(' '.repeat(GAP)).trimEnd())
}

function fitting<C extends { width: number; leaves?: number }>(columns: readonly C[], width: number): C[] {
  const before = columns.slice(0, -1).reduce((sum, column) => sum + column.width + GAP, 0)
  const last = columns.at(-1)
  const least = Math.max(...columns.map(({ leaves = 0 }) => leaves))
  if (least > 0 && before + Math.min(LAST_MIN, last?.width ?? 0) > width) {
    return fitting(
      columns.filter(({ leaves = 0 }) => leaves !== least),
      width,
    )
  }
  return columns.map((column) =>
    column === last ? { ...column, width: Math.min(column.width, Math.max(LAST_MIN, width - before)) } : column,
  )
}
