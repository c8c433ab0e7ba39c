import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { oneLine } from './local-error.ts'

/** Actors of which there are many; those of a tenant, a shard or the platform are few, and their alarms keep their time. */
const manyActors = /(?:Conversation|JobQueue|Topic)[/\\]metadata\.sqlite$/
/** Callers come back meanwhile, and open actors too. */
const firstAfterMs = 1000
const nanoseconds = 1_000_000n

interface Alarm {
  readonly file: string
  readonly actor: string
  readonly at: bigint
}

/**
 * workerd rings every overdue alarm at once when it starts, and opens its actor for it: after a day of standstill that may be
 * thousands. Moves the alarms of an ended system to later, in order of age, so that at most `perSecond` ring in a second; an actor
 * whose alarm is moved finds it overdue and does its work. Call before workerd starts. Returns how many were moved. A file that
 * cannot be read or written is left as it is.
 */
export async function spreadAlarms(dataDir: string, perSecond: number, now: number): Promise<number> {
  const actors = join(dataDir, 'actors')
  const names = await readdir(actors, { recursive: true }).catch(() => [])
  const files = names.filter((name) => manyActors.test(name)).map((name) => join(actors, name))
  const alarms = files.flatMap(alarmsIn).toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  const moved = spread(alarms, BigInt(now + firstAfterMs) * nanoseconds, BigInt(Math.ceil(1e9 / perSecond)))
  for (const [file, rows] of Map.groupBy(moved, (alarm) => alarm.file)) writeAlarms(file, rows)
  return moved.length
}

/** Those that ring later than they were set for, with their new times. */
function spread(alarms: readonly Alarm[], from: bigint, apart: bigint): Alarm[] {
  let next = from
  const moved: Alarm[] = []
  for (const alarm of alarms) {
    if (alarm.at < next) moved.push({ ...alarm, at: next })
    next = (alarm.at > next ? alarm.at : next) + apart
  }
  return moved
}

function alarmsIn(file: string): Alarm[] {
  return (
    withDatabase(file, (database) => {
      const isThere = database.prepare("SELECT 1 FROM sqlite_master WHERE name = '_cf_ALARM'").get() !== undefined
      if (!isThere) return []
      const rows = database.prepare('SELECT actor_id, scheduled_time FROM _cf_ALARM')
      rows.setReadBigInts(true)
      return rows.all().map(({ actor_id: actor, scheduled_time: at }) => ({
        file,
        actor: String(actor),
        at: typeof at === 'bigint' ? at : 0n,
      }))
    }) ?? []
  )
}

function writeAlarms(file: string, alarms: readonly Alarm[]): void {
  withDatabase(file, (database) => {
    database.exec('BEGIN IMMEDIATE')
    const update = database.prepare('UPDATE _cf_ALARM SET scheduled_time = ? WHERE actor_id = ?')
    for (const { actor, at } of alarms) update.run(at, actor)
    database.exec('COMMIT')
  })
}

function withDatabase<T>(file: string, use: (database: DatabaseSync) => T): T | undefined {
  try {
    const database = new DatabaseSync(file)
    try {
      return use(database)
    } finally {
      database.close()
    }
  } catch (thrown) {
    console.error(`the alarms in ${file} keep their times: ${oneLine(thrown)}`)
    return undefined
  }
}

/** How many alarms may open an actor in one second, where so many actors may be open; `budgetOf` in src/limits says why. */
export const alarmsPerSecond = (maxActors: number): number => Math.max(1, Math.floor(maxActors / 200))
