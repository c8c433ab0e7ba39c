/** `npm run bench`: everything Parley is measured by, suite after suite, and one page and one chart of it all. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { commandLine } from './command-line.ts'
import { chart } from './report/chart.ts'
import { readComparisons } from './report/results.ts'
import { section } from './report/summary.ts'
import { argumentsOf, help, readPlan, type Plan, type SuiteName } from './suites.ts'

/** What a program ends with that a signal ended. */
const interrupted = 130

const plan = commandLine(readPlan)
if (plan === 'help') console.log(help)
else process.exitCode = plan === undefined ? await run('chat', process.argv.slice(2)) : await main(plan)

async function main(plan: Plan): Promise<number> {
  const folder = plan.out ?? join('bench', 'results', new Date().toISOString().replaceAll(':', '-'))
  await mkdir(folder, { recursive: true })
  const failed: SuiteName[] = []
  const files: string[] = []
  for (const name of plan.suite) {
    console.error(`\n${name} (${files.length + failed.length + 1} of ${plan.suite.length})`)
    const file = join(folder, `${name}.json`)
    const code = await run(name, argumentsOf(name, plan, file))
    if (code !== 0) failed.push(name)
    if (code === interrupted) break
    if (existsSync(file)) files.push(file)
  }
  const comparisons = await readComparisons(files)
  await writeFile(join(folder, 'bench.md'), `${comparisons.map(section).join('\n\n')}\n`)
  await writeFile(join(folder, 'bench.svg'), chart(comparisons))
  console.log(`\nwritten to ${folder}: bench.md, bench.svg and the JSON of each suite`)
  if (failed.length > 0) console.error(`FAILED: ${failed.join(', ')}`)
  return failed.length === 0 ? 0 : 1
}

/** Runs a suite as a program of its own, so that none finds what another left; its exit code. */
function run(name: SuiteName, more: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`), ...more], { stdio: 'inherit' })
  // The terminal interrupts both; a signal to this process alone is meant for both.
  const pass = () => child.kill('SIGTERM')
  process.on('SIGTERM', pass)
  process.on('SIGINT', () => {})
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.off('SIGTERM', pass)
      resolve(signal === null ? (code ?? 1) : interrupted)
    })
  })
}
