import stringWidth from 'string-width'
import { expect, test } from 'vitest'
import { styleOf } from './style.js'
import { tableLines, type Column } from './table.js'

const style = styleOf({ isTTY: false }, {})
interface Row {
  id: string
  note: string
  text: string
}
const ROWS: Row[] = [
  { id: 'one', note: 'short', text: 'ends' },
  { id: 'two', note: '漢字の長い説明', text: 'a long text that goes on\nover \u001b[31mlines\u001b[0m 👍 and on' },
]
const COLUMNS: Column<Row>[] = [
  { title: 'ID', text: ({ id }) => id },
  { title: 'NOTE', text: ({ note }) => note, leaves: 2, right: true },
  { title: 'TEXT', text: ({ text }) => text, leaves: 1 },
]

test('columns are as wide as their widest cell, in cells of the terminal, and no cell leaves its line', () => {
  expect(tableLines(ROWS, COLUMNS, { width: undefined, style })).toEqual([
    'ID             NOTE  TEXT',
    'one           short  ends',
    'two  漢字の長い説明  a long text that goes on over lines 👍 and on',
  ])
})

test('in a terminal the last column is cut, then columns leave, and what stays fits', () => {
  for (let width = 3; width <= 80; width += 1) {
    for (const line of tableLines(ROWS, COLUMNS, { width, style }))
      expect(stringWidth(line)).toBeLessThanOrEqual(Math.max(width, 8))
  }
  const titles = (width: number) => tableLines(ROWS, COLUMNS, { width, style })[0]?.split(/\s+/)
  expect([titles(40), titles(20), titles(8)]).toEqual([['ID', 'NOTE', 'TEXT'], ['ID', 'TEXT'], ['ID']])
})

test('without rows there is the head', () => {
  expect(tableLines([], COLUMNS, { width: 80, style })).toEqual(['ID  NOTE  TEXT'])
})
