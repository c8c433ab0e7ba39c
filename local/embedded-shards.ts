import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Shards of a new data folder. */
const shardsAtFirst = 2

const fileIn = (dataDir: string) => join(dataDir, 'shards')

/**
 * The names of the embedded shards of a data folder, `shard0` and so on: as many as it has had, or `wanted` if that is more. A
 * shard stays once it was made, since tenants may be placed on it.
 */
export async function embeddedShards(dataDir: string, wanted: number | undefined): Promise<string[]> {
  const noted = Number(await readFile(fileIn(dataDir), 'utf8').catch(() => '')) || shardsAtFirst
  const count = Math.max(noted, wanted ?? 0)
  if (count > noted) await writeFile(fileIn(dataDir), `${count}\n`, { mode: 0o600 })
  return Array.from({ length: count }, (_, number) => `shard${number}`)
}
