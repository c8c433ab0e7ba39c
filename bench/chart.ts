/** `node bench/chart.ts <result.json>… <chart.svg>`: draws what suites of the bench wrote. */
import { writeFile } from 'node:fs/promises'
import { readComparisons } from './report/results.ts'
import { chart } from './report/chart.ts'

const files = process.argv.slice(2)
const to = files.pop()
if (to === undefined || files.length === 0) {
  console.error('node bench/chart.ts <result.json>… <chart.svg>')
  process.exitCode = 2
} else await writeFile(to, chart(await readComparisons(files)))
