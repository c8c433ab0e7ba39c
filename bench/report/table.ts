import type { Spread } from '../statistics.ts'
import { timesBetter, type Comparison, type Line } from './comparison.ts'

/** A row per figure, a column per side, with how many times better it is than the yardstick. */
export function rowsOf({ sides, yardstick, lines }: Comparison): string[][] {
  const names = Object.keys(sides)
  return [['', ...names], ...lines.map((line) => [line.what, ...names.map((name) => cell(line, name, yardstick))])]
}

function cell(line: Line, side: string, yardstick: string | undefined): string {
  const found = line.by[side]
  if (found === undefined) return '-'
  const ratio = side === yardstick ? undefined : timesBetter(line, side, yardstick)
  return `${show(found, line.digits)}${ratio === undefined ? '' : `  ×${brief(ratio)}`}`
}

/** The median, and how far rounds lie apart where there were several. */
export function show({ median, min, max }: Spread, digits: number): string {
  const number = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return min === max ? number(median) : `${number(median)} (${number(min)}–${number(max)})`
}

/** Three digits: more would be noise. */
export const brief = (ratio: number): string => (ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(3))

export function align(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const pad = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)
  return rows.map((row) => row.map(pad).join('   ')).join('\n')
}

/** The same rows for a page of docs. */
export function markdown(rows: readonly string[][]): string {
  const [head = [], ...rest] = rows
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map((_, column) => (column === 0 ? '---' : '--:')).join('|')}|`, ...rest.map(line)].join(
    '\n',
  )
}
