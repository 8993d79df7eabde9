/** What the pages use of the library that `/site/vendor/uplot.js` serves. */

export interface Series {
  label?: string
  stroke?: string
  width?: number
  value?: (plot: unknown, value: number | null) => string
  points?: { show: boolean }
  fill?: string
}
export interface Options {
  width: number
  height: number
  series: Series[]
  axes?: { stroke?: string; grid?: { stroke: string; width: number }; size?: number; values?: unknown }[]
  scales?: Record<string, { time?: boolean; range?: unknown }>
  cursor?: { y?: boolean }
  legend?: { live?: boolean }
}
declare class UPlot {
  constructor(options: Options, data: readonly (readonly (number | null)[])[], target: Element)
  setData(data: readonly (readonly (number | null)[])[]): void
  setSize(size: { width: number; height: number }): void
  destroy(): void
}
export default UPlot
