import type { Spread } from '../statistics.ts'
import { timesBetter, type Comparison } from './comparison.ts'
import { brief } from './table.ts'

interface Bar {
  readonly side: string
  /** How many times better than the yardstick. */
  readonly ratio: number
  readonly value: string
}

interface Group {
  readonly title: string
  readonly bars: readonly Bar[]
}

const colours = { ours: '#2563eb', theirs: '#94a3b8', yardstick: '#d97706' } as const
const size = { width: 900, bar: 15, group: 34, left: 250, right: 170, top: 84 } as const

/** What every suite draws, as bars on a logarithmic scale of how many times better than what others would use. */
export function chart(comparisons: readonly Comparison[]): string {
  const groups = comparisons.flatMap(groupsOf)
  const ratios = groups.flatMap(({ bars }) => bars.map(({ ratio }) => ratio))
  const [low, high] = [Math.min(0.5, ...ratios), Math.max(2, ...ratios)]
  const x = (ratio: number) =>
    size.left + (Math.log(ratio / low) / Math.log(high / low)) * (size.width - size.left - size.right)
  const heights = groups.map(({ bars }) => bars.length * (size.bar + 2) + size.group)
  const height = size.top + heights.reduce((sum, each) => sum + each, 0)
  const tops = heights.map((_, n) => size.top + heights.slice(0, n).reduce((sum, each) => sum + each, 0))
  const dates = [...new Set(comparisons.map(({ date }) => date.slice(0, 10)))]
  const machine = comparisons[0]?.machine
  const place = machine === undefined ? '' : `${machine.cpu}, ${machine.cores} cores; `
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="Parley beside what others would use">`,
    `<rect width="${size.width}" height="${height}" fill="#ffffff"/>`,
    text(16, 26, 'How many times better than what one would use instead', 'font-size="16" font-weight="600"'),
    text(16, 46, `${place}${dates.join(', ')}; logarithmic; the dashed line is the yardstick`, 'fill="#64748b"'),
    ...groups.flatMap((group, n) => drawGroup(group, tops[n] ?? 0, x)),
    '</svg>\n',
  ].join('\n')
}

function groupsOf(comparison: Comparison): Group[] {
  const { suite, sides, yardstick, lines } = comparison
  return lines
    .filter(({ drawn }) => drawn)
    .flatMap((line) => {
      const bars = Object.keys(sides).flatMap((side): Bar[] => {
        const [ratio, found] = [timesBetter(line, side, yardstick), line.by[side]]
        return ratio === undefined || found === undefined ? [] : [{ side, ratio, value: shortly(found, line.digits) }]
      })
      return bars.length < 2 ? [] : [{ title: `${suite}: ${line.what}`, bars }]
    })
}

function drawGroup({ title, bars }: Group, top: number, x: (ratio: number) => number): string[] {
  const one = x(1)
  return [
    text(16, top - 4, title, 'font-weight="600"'),
    `<line x1="${one}" x2="${one}" y1="${top}" y2="${top + 3 + bars.length * (size.bar + 2)}" stroke="${colours.yardstick}" stroke-dasharray="4 3"/>`,
    ...bars.flatMap(({ side, ratio, value }, n) => {
      const y = top + 2 + n * (size.bar + 2)
      const [from, to] = [Math.min(one, x(ratio)), Math.max(one, x(ratio))]
      const colour = /^parley/i.test(side) ? colours.ours : ratio === 1 ? colours.yardstick : colours.theirs
      return [
        text(size.left - 10, y + 12, side, 'font-size="12" fill="#334155" text-anchor="end"'),
        `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.max(2, to - from).toFixed(1)}" height="${size.bar}" rx="2" fill="${colour}"/>`,
        text(to + 6, y + 12, `×${brief(ratio)} (${value})`, 'font-size="12" fill="#334155"'),
      ]
    }),
  ]
}

const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y}" ${more}>${words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</text>`

const shortly = ({ median }: Spread, digits: number): string =>
  median.toLocaleString('en', { maximumFractionDigits: median >= 10_000 ? 0 : digits })
