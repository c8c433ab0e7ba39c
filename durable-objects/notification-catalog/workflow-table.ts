import type { Workflow } from '../../src/notifications/model.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { StoredWorkflow } from '../notification-contracts.ts'
import { parseStored } from '../shared/parse-stored.ts'

export const maxWorkflows = 500
/** Versions of one workflow that are kept. Actors with runs have copies of what they need. */
export const maxVersions = 100

/** A tenant's workflows with their versions, which count up for each name and never change. */
export class WorkflowTable {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** Registers a definition as the next version of its name; the same again as the newest is that version. */
  put(name: string, definition: Omit<Workflow, 'name' | 'version'>, now: number): StoredWorkflow | Refusal {
    const known = this.#newest(name)
    const newest = known === undefined ? undefined : this.#read(name, known.version)
    const isSame = newest !== undefined && JSON.stringify(withoutName(newest.workflow)) === JSON.stringify(definition)
    if (isSame && known?.isDeleted === false) return newest
    if (known?.isDeleted !== false && this.#count() >= maxWorkflows)
      return refuse('limitExceeded', `workflows: at most ${maxWorkflows}; delete one first`)
    const version = (known?.version ?? 0) + 1
    const workflow = { ...definition, name, version }
    this.#sql.exec('INSERT INTO workflow_versions VALUES (?, ?, ?, ?)', name, version, now, JSON.stringify(workflow))
    this.#sql.exec('INSERT OR REPLACE INTO workflows VALUES (?, ?, 0)', name, version)
    this.#sql.exec('DELETE FROM workflow_versions WHERE name = ? AND version <= ?', name, version - maxVersions)
    return { kind: 'stored', workflow, createdAt: now }
  }

  /** A version, or the newest; undefined when there is none, or when the name is deleted and no version is asked for. */
  find(name: string, version?: number): StoredWorkflow | undefined {
    if (version !== undefined) return this.#read(name, version)
    const newest = this.#newest(name)
    return newest === undefined || newest.isDeleted ? undefined : this.#read(name, newest.version)
  }

  /** Names after `after` in their order, with their newest versions. */
  list(after: string, limit: number): { readonly name: string; readonly version: number }[] {
    const sql = `SELECT name, newest AS version FROM workflows WHERE is_deleted = 0 AND name > ? ORDER BY name LIMIT ?`
    return this.#sql.exec<{ name: string; version: number }>(sql, after, limit).toArray()
  }

  /** No further run starts; runs under way go on, and a later definition of this name goes on counting. */
  remove(name: string): boolean {
    const sql = 'UPDATE workflows SET is_deleted = 1 WHERE name = ? AND is_deleted = 0'
    return this.#sql.exec(sql, name).rowsWritten > 0
  }

  #count(): number {
    return this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM workflows WHERE is_deleted = 0').one().n
  }

  #newest(name: string): { readonly version: number; readonly isDeleted: boolean } | undefined {
    const sql = 'SELECT newest, is_deleted FROM workflows WHERE name = ?'
    const [row] = this.#sql.exec<{ newest: number; is_deleted: number }>(sql, name)
    return row === undefined ? undefined : { version: row.newest, isDeleted: row.is_deleted === 1 }
  }

  #read(name: string, version: number): StoredWorkflow | undefined {
    const sql = 'SELECT created_at, text FROM workflow_versions WHERE name = ? AND version = ?'
    const [row] = this.#sql.exec<{ created_at: number; text: string }>(sql, name, version)
    if (row === undefined) return undefined
    return { kind: 'stored', workflow: parseStored<Workflow>(row.text), createdAt: row.created_at }
  }
}

function withoutName(workflow: Workflow): Omit<Workflow, 'name' | 'version'> {
  const { name: _name, version: _version, ...rest } = workflow
  return rest
}
