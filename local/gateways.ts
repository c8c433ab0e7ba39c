import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isDamage, setAside, sqliteCompanions } from './set-aside.ts'

/**
 * Sets aside the damaged files of gateways, which workerd then makes anew: a gateway stores only when its next alarm is
 * due and which connections it counts, while a damaged file would close its whole region. Call before workerd starts.
 * Returns the files that were damaged, under their new names.
 */
export const recreateGateways = async (dataDir: string): Promise<string[]> =>
  await setAsideDamaged(dataDir, /Gateway[/\\][0-9a-f]{64}\.sqlite$/)

/**
 * The same for the files in which workerd keeps the alarms of all actors of a class, one of which would otherwise end
 * every start. An actor sets its alarm again with its next use.
 */
export const recreateAlarms = async (dataDir: string): Promise<string[]> =>
  await setAsideDamaged(dataDir, /[/\\]metadata\.sqlite$/)

async function setAsideDamaged(dataDir: string, pattern: RegExp): Promise<string[]> {
  const names = await readdir(dataDir, { recursive: true }).catch(() => [])
  return names
    .filter((name) => pattern.test(name))
    .map((name) => join(dataDir, name))
    .filter(isDamaged)
    .map((file) => setAside(file, sqliteCompanions))
}

function isDamaged(file: string): boolean {
  try {
    const database = new DatabaseSync(file)
    try {
      const { quick_check: found } = database.prepare('PRAGMA quick_check(1)').get() ?? {}
      return found !== 'ok'
    } finally {
      database.close()
    }
  } catch (error) {
    return isDamage(error)
  }
}
