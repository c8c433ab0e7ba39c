import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { access, constants, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type { Account } from './account.ts'
import { give } from './account.ts'
import { PostgresError, words } from './errors.ts'

/** What lies in the launcher's data folder. */
export interface DataFolder {
  readonly primary: string
  readonly replica: string
  /** File holding the superuser's password, readable by its owner only. */
  readonly passwordFile: string
  readonly password: string
}

/**
 * Opens the launcher's data folder, making it and its password when new. Throws {@link PostgresError} if it cannot be
 * written, or holds a cluster whose password is lost.
 */
export async function openDataFolder(path: string, account: Account): Promise<DataFolder> {
  if (!isAbsolute(path)) throw new PostgresError(`The data folder must be an absolute path, not ${path}.`)
  const primary = join(path, 'primary')
  const passwordFile = join(path, 'password')
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    if (!existsSync(passwordFile)) await firstPassword(primary, passwordFile)
    // A folder we can read but not write must be told now, not by Postgres later.
    await access(path, constants.W_OK)
    await give(account, path)
    const password = (await readFile(passwordFile, 'utf8')).trim()
    return { primary, replica: join(path, 'replica'), passwordFile, password }
  } catch (error) {
    if (error instanceof PostgresError) throw error
    throw new PostgresError(`Postgres cannot keep its data in ${path}: ${words(error)}`, { cause: error })
  }
}

async function firstPassword(primary: string, passwordFile: string): Promise<void> {
  if (existsSync(primary)) {
    throw new PostgresError(`${primary} exists but ${passwordFile} is missing: put it back, or move the folder away.`)
  }
  await writeFile(`${passwordFile}.new`, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 })
  await rename(`${passwordFile}.new`, passwordFile)
}
