import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import type { System } from './system.ts'

/**
 * Tables of all actors on disk that hold these words anywhere, as `class/table`. Reads copies: the actors go on, and it throws
 * where a file went or changed while it was copied.
 */
export function actorTablesHolding(system: System, words: string): string[] {
  const copy = mkdtempSync(join(tmpdir(), 'parley-e2e-actors-'))
  try {
    cpSync(join(system.dataDir, 'actors'), copy, { recursive: true })
    const files = readdirSync(copy, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.sqlite'))
    return files.flatMap((file) => tablesHolding(join(copy, file), words).map((table) => `${classOf(file)}/${table}`))
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

function tablesHolding(file: string, words: string): string[] {
  const database = new DatabaseSync(file)
  try {
    const tables = z
      .array(z.object({ name: z.string() }))
      .parse(database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all())
    return tables.flatMap(({ name }) => (holds(database, name, words) ? [name] : []))
  } finally {
    database.close()
  }
}

function holds(database: DatabaseSync, table: string, words: string): boolean {
  const rows = database.prepare(`SELECT * FROM "${table}"`)
  rows.setReadBigInts(true)
  return rows.all().some((row) => contains(row, words))
}

/** Values may be text or bytes (structured clones). */
const contains = (row: Readonly<Record<string, unknown>>, words: string) =>
  Object.values(row).some((value) =>
    value instanceof Uint8Array ? Buffer.from(value).includes(words) : String(value).includes(words),
  )

const classOf = (file: string) => file.split('/')[0]?.replace('parley-', '') ?? file
