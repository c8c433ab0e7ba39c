import type { Partials, TemplateDefinition } from '../../src/notifications/templates/template.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { FoundTemplate, ListedTemplate } from '../notification-contracts.ts'
import { parseStored } from '../shared/parse-stored.ts'

export const maxTemplates = 500
/** Versions of one template that are kept. */
export const maxTemplateVersions = 20
/** Partials that are read for one template, at most; a definition that needs as many is refused. */
const maxRead = 51

export const templateTables = `
   CREATE TABLE template_versions (
     name TEXT NOT NULL, version INTEGER NOT NULL, created_at INTEGER NOT NULL, kind TEXT NOT NULL, uses TEXT NOT NULL,
     text TEXT NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID;
   CREATE TABLE templates (name TEXT PRIMARY KEY, newest INTEGER NOT NULL, is_deleted INTEGER NOT NULL) WITHOUT ROWID;`

/** A row of `template_versions`. */
interface Row extends Record<string, SqlStorageValue> {
  readonly version: number
  readonly created_at: number
  readonly uses: string
  readonly text: string
}

/** A tenant's templates and partials with their versions, which count up for each name and never change. */
export class TemplateTable {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** Registers a definition as the next version of its name; the same again as the newest is that version. `uses` are its partials. */
  put(
    name: string,
    definition: TemplateDefinition,
    uses: readonly string[],
    now: number,
  ): { readonly kind: 'stored'; readonly version: number } | Refusal {
    const known = this.#newest(name)
    const text = JSON.stringify(definition)
    if (known?.isDeleted === false && this.#read(name, known.version)?.text === text)
      return { kind: 'stored', version: known.version }
    if (definition.kind !== 'partial' && this.#isUsed(name)) return refuse('conflict', inUse(name))
    if (known?.isDeleted !== false && this.#count() >= maxTemplates)
      return refuse('limitExceeded', `templates: at most ${maxTemplates}; delete one first`)
    const version = (known?.version ?? 0) + 1
    const insert = 'INSERT INTO template_versions VALUES (?, ?, ?, ?, ?, ?)'
    this.#sql.exec(insert, name, version, now, definition.kind, JSON.stringify(uses), text)
    this.#sql.exec('INSERT OR REPLACE INTO templates VALUES (?, ?, 0)', name, version)
    const old = 'DELETE FROM template_versions WHERE name = ? AND version <= ?'
    this.#sql.exec(old, name, version - maxTemplateVersions)
    return { kind: 'stored', version }
  }

  /** A version, or the newest, with the newest versions of all partials that it uses, directly or by another. */
  find(name: string, version?: number): FoundTemplate | undefined {
    const newest = this.#newest(name)
    if (newest === undefined || (version === undefined && newest.isDeleted)) return undefined
    const row = this.#read(name, version ?? newest.version)
    if (row === undefined) return undefined
    const template = { name, version: row.version, definition: row.text, createdAt: row.created_at }
    return { template, partials: this.partials(namesIn(row.uses)) }
  }

  /** The partials of these names and those that they use. One that is not there is left out. */
  partials(names: readonly string[]): Partials {
    const found = new Map<string, Partials[string]>()
    const waiting = [...names]
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      if (found.has(name) || found.size >= maxRead) continue
      const newest = this.#newest(name)
      const row = newest === undefined || newest.isDeleted ? undefined : this.#read(name, newest.version)
      if (row === undefined) continue
      const definition = definitionIn(row.text)
      if (definition.kind !== 'partial') continue
      found.set(name, definition)
      waiting.push(...namesIn(row.uses))
    }
    return Object.fromEntries(found)
  }

  /** Names after `after` in their order, with their newest versions. */
  list(after: string, limit: number): ListedTemplate[] {
    const sql = `SELECT t.name, t.newest AS version, v.kind FROM templates t
      JOIN template_versions v ON v.name = t.name AND v.version = t.newest
      WHERE t.is_deleted = 0 AND t.name > ? ORDER BY t.name LIMIT ?`
    return this.#sql
      .exec<{ name: string; version: number; kind: string }>(sql, after, limit)
      .toArray()
      .map(({ name, version, kind }) => ({ name, version, kind: kind === 'partial' ? 'partial' : 'message' }))
  }

  /** Deliveries that name a version go on; a later definition of this name goes on counting. A partial in use is kept. */
  remove(name: string): boolean | Refusal {
    if (this.#isUsed(name)) return refuse('conflict', inUse(name))
    const sql = 'UPDATE templates SET is_deleted = 1 WHERE name = ? AND is_deleted = 0'
    return this.#sql.exec(sql, name).rowsWritten > 0
  }

  /** Whether the newest version of a template uses this partial. */
  #isUsed(name: string): boolean {
    const sql = `SELECT 1 FROM templates t JOIN template_versions v ON v.name = t.name AND v.version = t.newest, json_each(v.uses) u
      WHERE t.is_deleted = 0 AND u.value = ? LIMIT 1`
    return this.#sql.exec(sql, name).toArray().length > 0
  }

  #count(): number {
    return this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM templates WHERE is_deleted = 0').one().n
  }

  #newest(name: string): { readonly version: number; readonly isDeleted: boolean } | undefined {
    const sql = 'SELECT newest, is_deleted FROM templates WHERE name = ?'
    const [row] = this.#sql.exec<{ newest: number; is_deleted: number }>(sql, name)
    return row === undefined ? undefined : { version: row.newest, isDeleted: row.is_deleted === 1 }
  }

  #read(name: string, version: number): Row | undefined {
    const sql = 'SELECT version, created_at, uses, text FROM template_versions WHERE name = ? AND version = ?'
    return this.#sql.exec<Row>(sql, name, version).toArray()[0]
  }
}

const inUse = (name: string): string => `name: other templates use the partial ${name}; change them first`

const definitionIn = (text: string): TemplateDefinition => parseStored<TemplateDefinition>(text)
const namesIn = (text: string): string[] => parseStored<string[]>(text)
