import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { comparison, type Comparison } from './comparison.ts'

const result = z.union([
  z.object({ comparison }).transform((one) => [one.comparison]),
  z.object({ comparisons: z.array(comparison) }).transform(({ comparisons }) => comparisons),
])

/** What suites of the bench wrote, one of them or all in one file. */
export async function readComparisons(files: readonly string[]): Promise<Comparison[]> {
  const all = await Promise.all(files.map(async (file) => result.parse(JSON.parse(await readFile(file, 'utf8')))))
  return all.flat()
}
