import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { LocalError } from './local-error.ts'

/** The file that marks a folder as Parley's. It is written before anything else. */
const markerName = 'parley-data.json'
const lockName = 'lock.sqlite'
const layout = 1

const marker = z.object({ parley: z.literal('data folder'), layout: z.int().positive() })

/** Secrets as versions without a marker wrote them: they show that a folder is Parley's. */
const unmarkedSecrets = z.object({
  adminKey: z.string().length(32),
  postgresPassword: z.string().length(32),
  redisToken: z.string().length(32),
  qstashToken: z.string().length(32),
  qstashCurrentKey: z.string().startsWith('sig_'),
  qstashNextKey: z.string().startsWith('sig_'),
})

/** Everything that Parley writes at the top of its data folder. `--fresh` removes these entries and no others. */
const ownEntries =
  /^(?:secrets\.json(?:\.new)?|profile|shards|actors|blobs|miniflare|postgres|redis\.json(?:\.next|\.damaged-\d+)?|qstash\.sqlite(?:\.damaged-\d+)?(?:-\w+)?|worker\.js|workerd\.(?:capnp|pid))$/
const keptEntries: readonly string[] = [markerName, lockName, `${lockName}-journal`]
/** What operating systems put into a folder by themselves. */
const systemEntries: readonly string[] = ['.DS_Store', 'lost+found']

/** Locks are held until the process ends, however it ends. */
const locks: DatabaseSync[] = []

/**
 * Takes the folder as Parley's data folder for this process: makes it if it is missing, marks it, and with `fresh`
 * removes what an earlier run left in it. Throws {@link LocalError}, and changes nothing, if the folder holds anything
 * else or another process uses it.
 */
export async function takeFolder(folder: string, fresh: boolean): Promise<void> {
  const entries = await entriesOf(folder)
  await refuseForeign(folder, entries)
  if (fresh) refuseUnknown(folder, entries)

  await mkdir(folder, { recursive: true, mode: 0o700 })
  lock(folder)
  await writeFile(join(folder, markerName), `${JSON.stringify({ parley: 'data folder', layout })}\n`, { mode: 0o600 })
  if (!fresh) return
  for (const name of entries) if (ownEntries.test(name)) await rm(join(folder, name), { recursive: true, force: true })
}

async function refuseForeign(folder: string, entries: readonly string[]): Promise<void> {
  const made = marker.safeParse(await json(join(folder, markerName)))
  if (made.success && made.data.layout > layout)
    throw new LocalError(
      `PARLEY_DATA: ${folder} was made by a newer version of Parley (layout ${made.data.layout}, this version knows ${layout}); update Parley or choose another folder.`,
    )
  if (made.success || entries.every((name) => systemEntries.includes(name))) return
  if (unmarkedSecrets.safeParse(await json(join(folder, 'secrets.json'))).success) return
  throw new LocalError(
    `PARLEY_DATA: ${folder} is not empty and is no data folder of Parley (it has no ${markerName}); choose an empty one.`,
  )
}

function refuseUnknown(folder: string, entries: readonly string[]): void {
  const unknown = entries.filter(
    (name) => !ownEntries.test(name) && !keptEntries.includes(name) && !systemEntries.includes(name),
  )
  if (unknown.length > 0)
    throw new LocalError(
      `--fresh: ${folder} also holds ${unknown.join(', ')}, which Parley did not make; move it away first.`,
    )
}

/** SQLite's own lock on a file that holds nothing: the kernel frees it with the process. */
function lock(folder: string): void {
  const database = new DatabaseSync(join(folder, lockName))
  try {
    database.exec('BEGIN EXCLUSIVE')
    locks.push(database)
  } catch {
    database.close()
    throw new LocalError(
      `Parley already uses ${folder} in another process: stop it first, or choose another folder with PARLEY_DATA.`,
    )
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return []
    throw thrown
  }
}

async function json(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return undefined
  }
}
