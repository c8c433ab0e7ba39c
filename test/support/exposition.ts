/**
 * A checker of the Prometheus text format 0.0.4 and of what `promtool check metrics` complains about. Returns one
 * sentence for each fault, none for a valid text.
 */
export function expositionFaults(text: string): string[] {
  const faults: string[] = []
  if (text !== '' && !text.endsWith('\n')) faults.push('the last line does not end with a line feed')
  const families = new Map<string, Family>()
  const series = new Set<string>()
  let current: Family | undefined
  for (const [index, line] of text.replace(/\n$/, '').split('\n').entries()) {
    const complain = (fault: string) => void faults.push(`line ${index + 1}: ${fault}: ${line}`)
    if (line === '' || (line.startsWith('#') && !/^# (?:HELP|TYPE) /.test(line))) continue
    const read = readLine(line)
    if (read === undefined) {
      complain('neither a comment nor a sample')
      continue
    }
    const name = read.kind === 'sample' ? familyOf(read.name, families) : read.name
    const known = families.get(name)
    const family = known ?? { name, samples: [] }
    families.set(name, family)
    if (known !== undefined && known !== current) complain(`the lines of ${name} are not in one group`)
    current = family
    if (read.kind === 'sample') {
      const identity = `${read.name}{${read.labels.map(String).toSorted().join(';')}}`
      if (series.has(identity)) complain('the same series twice')
      series.add(identity)
      family.samples.push(read)
      for (const fault of labelFaults(read)) complain(fault)
    } else {
      if (family[read.kind] !== undefined) complain(`a second ${read.kind.toUpperCase()} for ${name}`)
      if (family.samples.length > 0) complain(`${read.kind.toUpperCase()} after samples of ${name}`)
      family[read.kind] = read.text
    }
  }
  return [...faults, ...[...families.values()].flatMap(familyFaults)]
}

interface SampleLine {
  readonly kind: 'sample'
  readonly name: string
  readonly labels: readonly (readonly [name: string, value: string])[]
  readonly value: number
}

interface Family {
  readonly name: string
  help?: string
  type?: string
  readonly samples: SampleLine[]
}

const metricName = String.raw`[a-zA-Z_:][a-zA-Z0-9_:]*`
const label = String.raw`[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"`
const help = new RegExp(String.raw`^# HELP (${metricName}) ((?:[^\\\n]|\\[\\n])+)$`)
const type = new RegExp(String.raw`^# TYPE (${metricName}) (counter|gauge|histogram|summary|untyped)$`)
const number = String.raw`[+-]?Inf|NaN|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?`
const sample = new RegExp(String.raw`^(${metricName})(?:\{(${label}(?:,${label})*)?,?\})? (${number})(?: -?\d+)?$`)
const pair = /(\w+)="((?:[^"\\]|\\.)*)"/g

type Line = SampleLine | { readonly kind: 'help' | 'type'; readonly name: string; readonly text: string }

function readLine(line: string): Line | undefined {
  const [, helped = '', words = ''] = help.exec(line) ?? []
  if (helped !== '') return { kind: 'help', name: helped, text: words }
  const [, typed = '', kind = ''] = type.exec(line) ?? []
  if (typed !== '') return { kind: 'type', name: typed, text: kind }
  const [, name = '', labels = '', value = ''] = sample.exec(line) ?? []
  if (name === '') return undefined
  const pairs = [...labels.matchAll(pair)].map(([, key = '', text = '']) => [key, text] as const)
  return { kind: 'sample', name, labels: pairs, value: Number(value.replace('Inf', 'Infinity')) }
}

const suffixes = new Map([
  ['summary', ['_sum', '_count']],
  ['histogram', ['_bucket', '_sum', '_count']],
])

/** The family of a sample: its own name, or the one it has a suffix of. */
function familyOf(name: string, families: ReadonlyMap<string, Family>): string {
  const suffix = /_(?:sum|count|bucket)$/.exec(name)?.[0]
  if (suffix === undefined) return name
  const stem = name.slice(0, -suffix.length)
  const own = suffixes.get(families.get(stem)?.type ?? '') ?? []
  return own.includes(suffix) ? stem : name
}

function labelFaults({ labels }: SampleLine): string[] {
  const names = labels.map(([name]) => name)
  return [
    ...(new Set(names).size < names.length ? ['a label twice'] : []),
    ...names.filter((name) => name.startsWith('__')).map((name) => `the label ${name} is reserved`),
  ]
}

const units = /_(?:milliseconds|ms|minutes|hours|days|kilobytes|megabytes|percent)(?:_total)?$/

function familyFaults({ name, help: words, type: kind, samples }: Family): string[] {
  const faults: string[] = []
  const complain = (when: boolean, fault: string) => void (when && faults.push(`${name}: ${fault}`))
  complain(words === undefined, 'no HELP')
  complain(kind === undefined, 'no TYPE')
  complain(/[A-Z]/.test(name), 'upper-case letters in the name')
  complain(units.test(name), 'not in a base unit')
  complain(kind !== undefined && new RegExp(`_${kind}(?:_|$)`).test(name), 'its type is in its name')
  complain(kind === 'counter' && !name.endsWith('_total'), 'a counter without _total')
  complain(kind !== 'counter' && name.endsWith('_total'), '_total, but no counter')
  complain(kind === 'counter' && samples.some(({ value }) => !(value >= 0)), 'a counter below zero')
  complain(/_(?:sum|count|bucket)$/.test(name), 'a suffix of summaries and histograms')
  const has = (wanted: string) => samples.some(({ labels }) => labels.some(([label]) => label === wanted))
  complain(kind !== 'summary' && has('quantile'), 'quantile, but no summary')
  complain(kind !== 'histogram' && has('le'), 'le, but no histogram')
  if (kind === 'summary') faults.push(...summaryFaults(name, samples))
  if (kind === 'histogram') faults.push(...histogramFaults(name, samples))
  return faults
}

/** Samples of a summary or histogram by their labels, without the one that tells them apart. */
function byLabels(samples: readonly SampleLine[], apart: string): SampleLine[][] {
  const groups = new Map<string, SampleLine[]>()
  for (const one of samples) {
    const rest = one.labels.filter(([label]) => label !== apart)
    const key = rest.map(String).toSorted().join(';')
    groups.set(key, [...(groups.get(key) ?? []), one])
  }
  return [...groups.values()]
}

const valueOf = (one: SampleLine, wanted: string) => one.labels.find(([label]) => label === wanted)?.[1]

function summaryFaults(name: string, samples: readonly SampleLine[]): string[] {
  return byLabels(samples, 'quantile').flatMap((group) => {
    const quantiles = group.filter((one) => one.name === name).map((one) => Number(valueOf(one, 'quantile')))
    return [
      ...(quantiles.every((quantile) => quantile >= 0 && quantile <= 1) ? [] : [`${name}: no quantile in [0, 1]`]),
      ...['_sum', '_count']
        .filter((suffix) => !group.some((one) => one.name === name + suffix))
        .map((suffix) => `${name}: no ${suffix}`),
    ]
  })
}

function histogramFaults(name: string, samples: readonly SampleLine[]): string[] {
  return byLabels(samples, 'le').flatMap((group) => {
    const buckets = group.filter((one) => one.name === `${name}_bucket`)
    const count = group.find((one) => one.name === `${name}_count`)
    const last = buckets.find((one) => valueOf(one, 'le') === '+Inf')
    const grows = buckets.every(({ value }, index) => value >= (buckets[index - 1]?.value ?? 0))
    return [
      ...(last === undefined ? [`${name}: no bucket +Inf`] : []),
      ...(count === undefined || count.value !== last?.value ? [`${name}: _count is not the bucket +Inf`] : []),
      ...(group.some((one) => one.name === `${name}_sum`) ? [] : [`${name}: no _sum`]),
      ...(grows ? [] : [`${name}: buckets are not cumulative`]),
    ]
  })
}
