import type { Comparison } from './comparison.ts'
import { align, markdown, rowsOf } from './table.ts'

/** More than this of a core, and others had a say in the figures. */
const quiet = 0.25

/** The result of a suite, as it is printed: the conditions, the table, the measured sides, the failures. */
export function summary(comparison: Comparison): string {
  return linesOfReport(comparison, align(rowsOf(comparison))).join('\n')
}

/** The same as a section of a page. */
export function section(comparison: Comparison): string {
  return [`## ${comparison.suite}`, '', ...linesOfReport(comparison, markdown(rowsOf(comparison)))].join('\n')
}

function linesOfReport(
  { machine, conditions, othersCores, sides, yardstick, notes, failures }: Comparison,
  table: string,
) {
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}`,
    `${conditions}${yardstick === undefined ? '' : `; ×n: how many times better than ${yardstick}`}`,
    ...(othersCores < quiet
      ? []
      : [`NOT QUIET: others kept ${othersCores.toFixed(2)} cores busy; trust ratios at best`]),
    '',
    table,
    '',
    ...Object.entries(sides).map(([name, what]) => `- ${name}: ${what}`),
    ...notes.map((note) => `- ${note}`),
    ...failures.map((failure) => `- FAILED: ${failure}`),
  ]
}
