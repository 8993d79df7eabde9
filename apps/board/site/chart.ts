import { html, useEffect, useRef, type Node } from './vendor/preact.js'
import UPlot from './vendor/uplot.js'

export interface Line {
  label: string
  /** Name of a colour of the style sheet, such as `--good`. */
  colour: string
  values: (number | null)[]
}

const HEIGHT = 170

/** A small chart over the last hour. `at`: ms since the epoch of each value. */
export function Chart({
  title,
  at,
  lines,
  unit,
}: {
  title: string
  at: number[]
  lines: Line[]
  unit: (value: number) => string
}): Node {
  const box = useRef<HTMLDivElement | null>(null)
  const plot = useRef<UPlot | undefined>(undefined)
  const data = [at.map((ms) => ms / 1_000), ...lines.map(({ values }) => values)]

  useEffect(() => {
    const target = box.current
    if (target === null) return
    const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
    const draw = () => {
      plot.current?.destroy()
      const axis = { stroke: colour('--dim'), grid: { stroke: colour('--line'), width: 1 } }
      plot.current = new UPlot(
        {
          width: target.clientWidth,
          height: HEIGHT,
          cursor: { y: false },
          scales: { y: { range: (_plot: unknown, _min: number, max: number) => [0, Math.max(1, max * 1.1)] } },
          axes: [axis, { ...axis, size: 64, values: (_plot: unknown, values: number[]) => values.map(unit) }],
          series: [
            {},
            ...lines.map((line) => ({
              label: line.label,
              stroke: colour(line.colour),
              width: 2,
              points: { show: line.values.filter((value) => value !== null).length < 20 },
              value: (_plot: unknown, value: number | null) => (value === null ? '' : unit(value)),
            })),
          ],
        },
        latest.current,
        target,
      )
    }
    draw()
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', draw)
    const resize = new ResizeObserver(() => plot.current?.setSize({ width: target.clientWidth, height: HEIGHT }))
    resize.observe(target)
    return () => {
      scheme.removeEventListener('change', draw)
      resize.disconnect()
      plot.current?.destroy()
    }
  }, [])
  const latest = useRef(data)
  useEffect(() => {
    latest.current = data
    plot.current?.setData(data)
  }, [JSON.stringify(data)])

  return html`<section class="chart">
    <h3>${title}</h3>
    <div ref=${box} role="img" aria-label=${summary(title, lines, unit)}></div>
  </section>`
}

/** What the chart shows, for those who do not see it. */
function summary(title: string, lines: Line[], unit: (value: number) => string): string {
  const last = lines.map(({ label, values }) => {
    const value = values.findLast((one) => one !== null)
    return `${label} ${value == null ? 'none' : unit(value)}`
  })
  return `${title}, latest: ${last.join(', ')}`
}
