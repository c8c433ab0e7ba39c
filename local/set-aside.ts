import { renameSync } from 'node:fs'

/**
 * Moves a damaged file and its companions (`-wal`, `-shm`) out of the way, kept for inspection, so that a new one can
 * be created in its place. Returns the new name of the file.
 */
export function setAside(file: string, companions: readonly string[] = []): string {
  const aside = `${file}.damaged-${Date.now()}`
  renameSync(file, aside)
  for (const suffix of companions) renameIfThere(file + suffix, aside + suffix)
  return aside
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}

/** Files that SQLite keeps beside a database. */
export const sqliteCompanions = ['-wal', '-shm']

/** Whether SQLite says that a file is damaged or no database at all, as opposed to busy, full or forbidden. */
export function isDamage(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) : 0
  // SQLITE_CORRUPT and SQLITE_NOTADB; extended codes keep theirs in the lowest byte.
  return [11, 26].includes(code & 0xff)
}
