import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Writes what a suite found and all that it was made from as JSON; returns the file, `bench/results/<suite>-<date>.json` unless given. */
export async function save(
  suite: string,
  out: string | undefined,
  record: Readonly<Record<string, unknown>>,
): Promise<string> {
  const file = out ?? join('bench', 'results', `${suite}-${new Date().toISOString().replaceAll(':', '-')}.json`)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify(record, null, 2)}\n`)
  return file
}
