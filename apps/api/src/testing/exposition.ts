/** One metric of a Prometheus page. `samples`: value by name and labels, as they stand in the text. */
export interface ExposedMetric {
  type: string
  help: string
  samples: Map<string, number>
}

/** Prometheus reads numbers in any case, and prom-client writes `Nan`. */
const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (Na[Nn]|[+-]?Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/

/**
 * Reads a page in the text format 0.0.4, and throws at whatever a scraper may refuse: a line that is none, a sample
 * without HELP and TYPE before it or apart from its family, a family or a sample twice, a counter below zero or with a
 * name that does not end in `_total`, buckets that fall or do not end at the count.
 */
export function parseExposition(text: string): Map<string, ExposedMetric> {
  if (!text.endsWith('\n')) throw new Error('the last line is not ended')
  const metrics = new Map<string, ExposedMetric>()
  let current: { name: string; metric: ExposedMetric } | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line)
    if (comment !== null) {
      const [, kind, name = '', rest = ''] = comment
      if (kind === 'HELP') {
        if (metrics.has(name)) throw new Error(`${name} comes twice`)
        current = { name, metric: { type: '', help: rest, samples: new Map() } }
        metrics.set(name, current.metric)
      } else if (current?.name === name && current.metric.type === '') current.metric.type = rest
      else throw new Error(`TYPE without HELP: ${line}`)
      continue
    }
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? []
    if (name === '') throw new Error(`not a sample: ${line}`)
    if (current === undefined || !namesOf(current.name, current.metric.type).includes(name)) {
      throw new Error(`a sample apart from its metric: ${line}`)
    }
    const key = name + labels
    if (current.metric.samples.has(key)) throw new Error(`a sample twice: ${line}`)
    current.metric.samples.set(key, Number(value.replace('Inf', 'Infinity')))
  }
  for (const [name, metric] of metrics) check(name, metric)
  return metrics
}

function namesOf(name: string, type: string): string[] {
  if (type === 'histogram') return [`${name}_bucket`, `${name}_sum`, `${name}_count`]
  return type === 'counter' || type === 'gauge' ? [name] : []
}

function check(name: string, { type, samples }: ExposedMetric): void {
  if (type === 'counter') {
    if (!name.endsWith('_total')) throw new Error(`the counter ${name} is not named _total`)
    for (const [key, value] of samples) if (!(value >= 0)) throw new Error(`${key} is ${value}`)
  }
  if (type !== 'histogram') return
  const series = new Map<string, { le: number; value: number }[]>()
  for (const [key, value] of samples) {
    const le = /le="([^"]+)"/.exec(key)?.[1]
    if (le === undefined) continue
    const rest = key.replace(/le="[^"]+",?/, '').replace(/,?\}$/, '}')
    series.set(rest, [...(series.get(rest) ?? []), { le: Number(le.replace('Inf', 'Infinity')), value }])
  }
  for (const [key, buckets] of series) {
    const ordered = buckets.every(({ le, value }, at) => {
      const before = buckets[at - 1]
      return before === undefined || (le > before.le && value >= before.value)
    })
    const count = samples.get(key.replace('_bucket', '_count').replace('{}', ''))
    const last = buckets.at(-1)
    if (!ordered || last?.le !== Infinity || last.value !== count) throw new Error(`the buckets of ${key} do not fit`)
  }
}
