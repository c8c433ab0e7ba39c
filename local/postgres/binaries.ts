import { execFile } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { packagedBinDir } from './npm-package.ts'
import { PostgresError } from './errors.ts'

const run = promisify(execFile)

/** A folder of Postgres programs that answered `--version` on this machine. */
export interface Binaries {
  /** Holds at least `initdb` and `postgres`. */
  readonly bin: string
  /** Major version, e.g. 18. */
  readonly major: number
}

/**
 * Finds programs to run: `binDir` if given and nothing else, or the npm package for this platform, `postgres` on PATH,
 * then Debian's folders, newest first. Throws {@link PostgresError} naming what was missing.
 */
export async function findBinaries(binDir?: string): Promise<Binaries> {
  const candidates = binDir === undefined ? await usualPlaces() : [binDir]
  for (const bin of candidates) {
    const major = await majorVersion(bin)
    if (major !== undefined) return { bin, major }
  }
  throw new PostgresError(
    binDir === undefined
      ? `No Postgres for ${process.platform}-${process.arch}: run npm install without --omit=optional, or put a postgres on PATH.`
      : `No usable Postgres in ${binDir}: it needs initdb and postgres built for this machine.`,
  )
}

/** Debian's server programs (`/usr/lib/postgresql/<major>/bin`), newest first; they are not on PATH there. */
export async function debianBinDirs(): Promise<string[]> {
  const root = '/usr/lib/postgresql'
  const majors = await readdir(root).catch(() => [])
  return majors.sort((a, b) => Number(b) - Number(a)).map((major) => join(root, major, 'bin'))
}

async function usualPlaces(): Promise<string[]> {
  const packaged = await packagedBinDir()
  return [...(packaged === undefined ? [] : [packaged]), ...onPath(), ...(await debianBinDirs())]
}

/** PATH often holds a link to `postgres` alone; `initdb` lies beside what it points to. */
function onPath(): string[] {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'postgres'))
    .filter((program) => existsSync(program))
    .map((program) => dirname(realpathSync(program)))
}

/** Asks the program itself, so that one built for another libc is passed over instead of failing later. */
async function majorVersion(bin: string): Promise<number | undefined> {
  if (!existsSync(join(bin, 'initdb'))) return undefined
  const answer = await run(join(bin, 'postgres'), ['--version']).catch(() => undefined)
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(answer?.stdout ?? '')?.[1])
  return Number.isNaN(major) ? undefined : major
}
