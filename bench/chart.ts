/** `node bench/chart.ts <result.json> <chart.svg>`: draws what `npm run bench` wrote. */
import { readFile, writeFile } from 'node:fs/promises'
import { mediumNames } from './media.ts'
import { chart } from './report/chart.ts'
import type { BenchRecord } from './report/record.ts'
import { targetNames } from './targets/target.ts'

const [from, to] = process.argv.slice(2)
if (from === undefined || to === undefined) {
  console.error('node bench/chart.ts <result.json> <chart.svg>')
  process.exitCode = 2
} else {
  const record: BenchRecord = JSON.parse(await readFile(from, 'utf8'))
  await writeFile(to, chart(record, mediumNames, targetNames))
}
