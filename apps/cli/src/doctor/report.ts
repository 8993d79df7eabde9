import type { Check, CheckStatus } from '@claude-fleet/core'
import { oneLine, padded, printable, type Style } from '../text/style.js'

const MARKS: Readonly<Record<CheckStatus, string>> = { ok: 'ok', warn: 'warn', fail: 'FAIL', skipped: '-' }
const MARK_WIDTH = 4

/** The checks in groups, aligned; below each that is not well what was expected and what mends it. ASCII alone. */
export function reportLines(
  checks: readonly Check[],
  { style, width }: { style: Style; width: number | undefined },
): string[] {
  const groups = [...new Set(checks.map(groupOf))]
  const column = Math.max(...checks.map((check) => labelOf(check).length))
  const indent = ' '.repeat(MARK_WIDTH + 2)
  return groups.flatMap((group, index) => [
    ...(index === 0 ? [] : ['']),
    style.bold(group),
    ...checks
      .filter((check) => groupOf(check) === group)
      .flatMap((check) => {
        const paint = painter(check.status, style)
        const label = padded(labelOf(check), column, 'left')
        const space = width === undefined || check.status === 'fail' ? undefined : width - indent.length - column - 2
        const rest = check.status === 'skipped' ? style.dim : (text: string) => text
        return [
          `${padded(MARKS[check.status], MARK_WIDTH, 'left', paint)}  ${label}  ${rest(oneLine(check.found, space))}`.trimEnd(),
          ...(check.expected === undefined
            ? []
            : [`${indent}${style.dim('expected:')} ${oneLine(check.expected, undefined)}`]),
          // Whole, whatever the width: it is to be copied.
          ...(check.fix === undefined ? [] : [`${indent}${style.dim('mend it:')}  ${printable(check.fix)}`]),
        ]
      }),
  ])
}

/** `3 wrong, 1 warning, 20 well, 2 not looked at`. */
export function summaryLine(checks: readonly Check[], style: Style): string {
  const count = (status: CheckStatus) => checks.filter((check) => check.status === status).length
  const [fail, warn, ok, skipped] = [count('fail'), count('warn'), count('ok'), count('skipped')]
  const parts = [
    ...(fail > 0 ? [style.bad(`${fail} wrong`)] : []),
    ...(warn > 0 ? [style.warn(`${warn} ${warn === 1 ? 'warning' : 'warnings'}`)] : []),
    style.good(`${ok} well`),
    ...(skipped > 0 ? [style.dim(`${skipped} not looked at`)] : []),
  ]
  return parts.join(', ')
}

const groupOf = ({ name }: Check) => name.slice(0, name.indexOf('.'))
const labelOf = ({ name }: Check) => name.slice(name.indexOf('.') + 1)

function painter(status: CheckStatus, style: Style): (text: string) => string {
  return { ok: style.good, warn: style.warn, fail: style.bad, skipped: style.dim }[status]
}
