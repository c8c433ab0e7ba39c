import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { Reporter, TestModule, Vitest } from 'vitest/node'

// Where the report is written, and how many of the longest files are also printed.
const report = 'test-durations.txt'
const printed = 15

const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(1).padStart(7)

/** Writes how long each test file took, the longest first: starting its worker, importing its modules, its tests. */
export class Durations implements Reporter {
  private root = process.cwd()

  onInit(vitest: Vitest): void {
    this.root = vitest.config.root
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const rows = modules
      .map((module) => {
        const { environmentSetupDuration, prepareDuration, setupDuration, collectDuration, duration } =
          module.diagnostic()
        const start = environmentSetupDuration + prepareDuration + setupDuration
        return {
          file: relative(this.root, module.moduleId),
          project: module.project.name,
          start,
          imports: collectDuration,
          tests: duration,
          total: start + collectDuration + duration,
          count: [...module.children.allTests()].length,
        }
      })
      .toSorted((one, other) => other.total - one.total)
    const lines = rows.map((row) =>
      [seconds(row.total), seconds(row.start), seconds(row.imports), seconds(row.tests), String(row.count).padStart(6)]
        .concat(`  ${row.file}`)
        .join(''),
    )
    const sum = (of: (row: (typeof rows)[number]) => number): string =>
      seconds(rows.reduce((all, row) => all + of(row), 0))
    const head = '  total  start imports tests  count  file (seconds)'
    const all = `${sum((row) => row.total)}${sum((row) => row.start)}${sum((row) => row.imports)}${sum((row) => row.tests)}${String(rows.reduce((n, row) => n + row.count, 0)).padStart(6)}  all ${rows.length} files`
    writeFileSync(`${this.root}/${report}`, `${[head, all, ...lines].join('\n')}\n`)
    if (rows.length > printed)
      process.stdout.write(`\n${[head, all, ...lines.slice(0, printed)].join('\n')}\n  all files: ${report}\n`)
  }
}
