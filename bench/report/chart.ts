import { scenarios, type Figure, type Scenario } from '../load/scenarios.ts'
import type { MediumName } from '../media.ts'
import type { TargetName } from '../targets/target.ts'
import { figure, type BenchRecord } from './record.ts'

interface Bar {
  readonly target: TargetName
  /** How many times better than the glued stack. */
  readonly ratio: number
  readonly value: number
}

interface Group {
  readonly title: string
  readonly bars: readonly Bar[]
}

const lowerIsBetter: readonly Figure[] = ['ackMedianMs', 'ackP99Ms']
const colours: Readonly<Record<TargetName, string>> = { parley: '#2563eb', bare: '#94a3b8', glued: '#d97706' }
const size = { width: 760, bar: 16, gap: 6, group: 30, left: 300, right: 170, top: 64 } as const

/** The first figure of each scenario as bars, on a logarithmic scale of how many times better than the glued stack. */
export function chart(record: BenchRecord, media: readonly MediumName[], targets: readonly TargetName[]): string {
  const groups = media.flatMap((medium) =>
    Object.values(scenarios).flatMap((scenario) => group(record, medium, scenario, targets) ?? []),
  )
  const ratios = groups.flatMap(({ bars }) => bars.map(({ ratio }) => ratio))
  const low = Math.min(0.5, ...ratios)
  const high = Math.max(2, ...ratios)
  const x = (ratio: number) =>
    size.left + (Math.log(ratio / low) / Math.log(high / low)) * (size.width - size.left - size.right)
  const heights = groups.map(({ bars }) => bars.length * (size.bar + 2) + size.group)
  const height = size.top + heights.reduce((sum, each) => sum + each, 0)
  const tops = heights.map((_, n) => size.top + heights.slice(0, n).reduce((sum, each) => sum + each, 0))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="Parley beside a bare object and a glued stack">`,
    `<rect width="${size.width}" height="${height}" fill="#ffffff"/>`,
    text(16, 26, 'How many times better than the stack a team would glue together', 'font-size="16" font-weight="600"'),
    text(
      16,
      46,
      `${record.machine.cpu}, ${record.machine.cores} cores; ${record.date.slice(0, 10)}; logarithmic`,
      'fill="#64748b"',
    ),
    `<line x1="${x(1)}" x2="${x(1)}" y1="${size.top - 8}" y2="${height - 12}" stroke="#d97706" stroke-dasharray="4 3"/>`,
    ...groups.flatMap((each, n) => drawGroup(each, tops[n] ?? 0, x)),
    '</svg>\n',
  ].join('\n')
}

function group(
  record: BenchRecord,
  medium: MediumName,
  scenario: Scenario,
  targets: readonly TargetName[],
): Group | undefined {
  const name = scenario.shows[0]
  if (name === undefined) return undefined
  const median = (target: TargetName) => figure(record, { medium, target, scenario: scenario.name }, name)?.median
  const yardstick = median('glued')
  if (yardstick === undefined) return undefined
  const bars = targets.flatMap((target): Bar[] => {
    const value = median(target)
    if (value === undefined) return []
    return [{ target, value, ratio: lowerIsBetter.includes(name) ? yardstick / value : value / yardstick }]
  })
  return { title: `${medium}: ${scenario.what.split(', ')[0] ?? ''}`, bars }
}

function drawGroup({ title, bars }: Group, top: number, x: (ratio: number) => number): string[] {
  const zero = x(1)
  return [
    text(16, top + size.bar, title, 'font-weight="600"'),
    ...bars.flatMap(({ target, ratio, value }, n) => {
      const y = top + n * (size.bar + 2)
      const [from, to] = [Math.min(zero, x(ratio)), Math.max(zero, x(ratio))]
      return [
        `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.max(2, to - from).toFixed(1)}" height="${size.bar}" rx="2" fill="${colours[target]}"/>`,
        text(
          to + 6,
          y + 13,
          `${target} ×${ratio.toFixed(ratio < 10 ? 2 : 0)} (${brief(value)})`,
          'font-size="12" fill="#334155"',
        ),
      ]
    }),
  ]
}

const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y}" ${more}>${words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`

const brief = (value: number): string =>
  value >= 10_000
    ? `${Math.round(value / 1000).toLocaleString('en')}k/s`
    : value >= 100
      ? `${Math.round(value)}/s`
      : `${value.toFixed(2)} ms`
