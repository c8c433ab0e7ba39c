import { rmSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import type { Reporter, TestModule, Vitest } from 'vitest/node'

const report = 'test-failed.txt'

/** Writes the test files that failed, one a line, to `test-failed.txt`; `.ci/run` reads it. No file where all passed. */
export class FailedFiles implements Reporter {
  private path = report

  onInit(vitest: Vitest): void {
    this.path = `${vitest.config.root}/${report}`
    rmSync(this.path, { force: true })
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    // An error outside of tests belongs to no file, so that running files again would hide it.
    if (errors.length > 0) return
    const failed = modules.filter((module) => !module.ok()).map((module) => relative(process.cwd(), module.moduleId))
    if (failed.length > 0) writeFileSync(this.path, `${failed.join('\n')}\n`)
  }
}
