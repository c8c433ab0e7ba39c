/** One value of a metric family. A summary also has samples with the suffixes `_sum` and `_count`. */
export interface Sample {
  readonly suffix?: '_sum' | '_count'
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** All samples of one metric name, with what Prometheus is told about it. */
export interface MetricFamily {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'summary'
  readonly help: string
  readonly samples: readonly Sample[]
}

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Families in the Prometheus text format 0.0.4: HELP and TYPE once for each name, then all of its samples. Families of
 * the same name, as from several sources, are written as one; families without samples are left out.
 */
export function expositionText(families: readonly MetricFamily[]): string {
  const byName = new Map<string, MetricFamily>()
  for (const family of families) {
    const known = byName.get(family.name)
    byName.set(family.name, known === undefined ? family : { ...known, samples: [...known.samples, ...family.samples] })
  }
  return [...byName.values()].map(familyText).join('')
}

function familyText({ name, type, help, samples }: MetricFamily): string {
  if (samples.length === 0) return ''
  const lines = samples.map(
    ({ suffix = '', labels, value }) => `${name}${suffix}${labelText(labels)} ${numberText(value)}`,
  )
  return [`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n')
}

function labelText(labels: Sample['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"')

/** Numbers as Go parses them. */
function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}
