import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Account } from './account.ts'
import { give } from './account.ts'
import type { Binaries } from './binaries.ts'
import { PostgresError, words } from './errors.ts'
import type { Door } from './ready.ts'
import { superuser } from './ready.ts'

const run = promisify(execFile)

/** What making a data folder takes. */
export interface Making {
  readonly binaries: Binaries
  readonly account: Account
  readonly folder: string
}

/**
 * Makes the primary's data folder unless it is there. It appears by rename, so a creation cut short leaves nothing that
 * could be mistaken for a cluster. Throws {@link PostgresError} if an existing one belongs to another major version.
 */
export async function ensurePrimary(making: Making, passwordFile: string): Promise<void> {
  const { binaries, account, folder } = making
  if (!existsSync(folder)) {
    await built(folder, account, (draft) => initdb({ ...making, folder: draft }, passwordFile))
  }
  const major = Number((await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim())
  if (major !== binaries.major) {
    throw new PostgresError(
      `${folder} was made by Postgres ${major} but the one found here is ${binaries.major}: use that version, or move the folder away to start afresh.`,
    )
  }
  await give(account, folder)
}

/**
 * Makes the standby's data folder unless it is there, as a copy of the primary's, which must not be running: the npm
 * package has no pg_basebackup, and a copy of a stopped or even crashed cluster recovers by its own log, then follows.
 */
export async function ensureStandby({ account, folder }: Making, primary: string): Promise<void> {
  if (!existsSync(folder)) {
    await built(folder, account, async (draft) => {
      await run('cp', ['-a', primary, draft])
      await rm(join(draft, 'postmaster.pid'), { force: true })
      const signal = join(draft, 'standby.signal')
      await writeFile(signal, '')
      await give(account, signal)
    })
  }
  await give(account, folder)
}

/** Tells a standby where its primary listens this time. */
export async function followPrimary(standby: string, { port, password }: Door): Promise<void> {
  const origin = `host=127.0.0.1 port=${port} user=${superuser} password=${password} application_name=replica`
  await writeFile(join(standby, 'postgresql.auto.conf'), `primary_conninfo = '${origin}'\n`, { mode: 0o600 })
}

async function built(folder: string, account: Account, fill: (draft: string) => Promise<void>): Promise<void> {
  const draft = `${folder}.new`
  await rm(draft, { recursive: true, force: true })
  await fill(draft)
  await give(account, draft)
  await rename(draft, folder)
}

async function initdb({ binaries, account, folder }: Making, passwordFile: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  await chmod(folder, 0o700)
  await give(account, folder)
  const options = [`--username=${superuser}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8']
  // --no-sync saves a second; should the machine lose power within moments of the first start, there was no data yet.
  const program = [join(binaries.bin, 'initdb'), '-D', folder, '--no-sync', '--no-instructions', ...options]
  const [file = '', ...args] = [...account.prefix, ...program, ...locale(binaries.major)]
  await run(file, args, account.spawn).catch((error: unknown) => {
    throw new PostgresError(`Postgres could not make its data folder ${folder}: ${words(error)}`, { cause: error })
  })
}

/** C.UTF-8, as Neon's databases have; built into Postgres since 17, before that the system's. */
function locale(major: number): string[] {
  return major >= 17
    ? ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
    : [`--locale=${process.platform === 'linux' ? 'C.UTF-8' : 'C'}`]
}
