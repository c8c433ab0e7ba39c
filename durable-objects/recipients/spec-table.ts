import { BoundedMap } from '../../src/kernel/bounded-map.ts'
import type { NotificationSpec, Workflow } from '../../src/notifications/model.ts'
import { parseStored } from '../shared/parse-stored.ts'
import type { Sql } from '../shared/sql.ts'

/** A notification as recipients of this actor have it. */
export interface StoredSpec {
  readonly spec: NotificationSpec
  /** 0 unless it is canceled for all. */
  readonly canceledAt: number
}

/** The workflow of content without a workflow, which has version 0, is stored with the notification. */
type SpecText = Omit<NotificationSpec, 'workflow'> & { readonly workflow?: Workflow }

/** What is the same for all recipients of a notification, stored once in the actor. */
export class SpecTable {
  readonly #sql: Sql
  readonly #known = new BoundedMap<string, StoredSpec>(200)
  readonly #workflows = new BoundedMap<string, Workflow>(200)

  constructor(sql: Sql) {
    this.#sql = sql
  }

  find(id: string): StoredSpec | undefined {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const sql = 'SELECT canceled_at, workflow, version, spec FROM specs WHERE id = ?'
    const [row] = this.#sql.exec<{ canceled_at: number; workflow: string; version: number; spec: string }>(sql, id)
    if (row === undefined) return undefined
    const rest = parseStored<SpecText>(row.spec)
    const workflow = rest.workflow ?? this.#workflow(row.workflow, row.version)
    if (workflow === undefined) throw new Error(`notification ${id} has a workflow that is gone`)
    const found = { spec: { ...rest, workflow }, canceledAt: row.canceled_at }
    this.#known.set(id, found)
    return found
  }

  /** Stores a notification with users that were handed over, unless it is there; users of further calls are a page each. */
  put(given: NotificationSpec, expiresAt: number, users: readonly string[]): StoredSpec {
    const known = this.find(given.id)
    if (known !== undefined) {
      if (users.length > 0) this.#addPage(given.id, users)
      return known
    }
    const { workflow, ...rest } = given
    const { name, version } = workflow
    const isOwn = version === 0
    if (!isOwn && this.#workflow(name, version) === undefined)
      this.#sql.exec('INSERT INTO workflows VALUES (?, ?, ?)', name, version, JSON.stringify(workflow))
    const row = [given.id, expiresAt, name, version, JSON.stringify(isOwn ? given : rest), JSON.stringify(users)]
    const sql = `INSERT INTO specs (id, expires_at, canceled_at, pages, workflow, version, spec, users) VALUES (?, ?, 0, 0, ?, ?, ?, ?)`
    this.#sql.exec(sql, ...row)
    const shared = isOwn ? workflow : (this.#workflow(name, version) ?? workflow)
    const stored = { spec: { ...rest, workflow: shared }, canceledAt: 0 }
    this.#known.set(given.id, stored)
    return stored
  }

  cancel(id: string, now: number): void {
    this.#sql.exec('UPDATE specs SET canceled_at = ? WHERE id = ? AND canceled_at = 0', now, id)
    this.#known.delete(id)
  }

  /** Users of a page, from 0; undefined behind the last one. */
  users(id: string, page: number): string[] | undefined {
    const [row] =
      page === 0
        ? this.#sql.exec<{ users: string }>('SELECT users FROM specs WHERE id = ?', id)
        : this.#sql.exec<{ users: string }>('SELECT users FROM pages WHERE id = ? AND page = ?', id, page)
    return row === undefined ? undefined : parseStored<string[]>(row.users)
  }

  /** Notifications whose time is over, after `after` in the order of their ids, of the next `scanned`. */
  expired(after: string, now: number, scanned: number): { readonly ids: string[]; readonly last: string | undefined } {
    const sql = 'SELECT id, expires_at FROM specs WHERE id > ? ORDER BY id LIMIT ?'
    const rows = this.#sql.exec<{ id: string; expires_at: number }>(sql, after, scanned).toArray()
    const ids = rows.flatMap(({ id, expires_at: at }) => (at <= now ? [id] : []))
    return { ids, last: rows.length === scanned ? rows.at(-1)?.id : undefined }
  }

  /** A page whose notices were deleted names no user any more. */
  emptyPage(id: string, page: number): void {
    if (page === 0) this.#sql.exec("UPDATE specs SET users = '[]' WHERE id = ?", id)
    else this.#sql.exec("UPDATE pages SET users = '[]' WHERE id = ? AND page = ?", id, page)
  }

  delete(id: string): void {
    this.#sql.exec('DELETE FROM pages WHERE id = ?', id)
    this.#sql.exec('DELETE FROM specs WHERE id = ?', id)
    this.#known.delete(id)
  }

  postpone(id: string, until: number): void {
    this.#sql.exec('UPDATE specs SET expires_at = ? WHERE id = ?', until, id)
  }

  /** After a rollback nothing in memory holds. */
  forget(): void {
    this.#known.clear()
    this.#workflows.clear()
  }

  #addPage(id: string, users: readonly string[]): void {
    this.#sql.exec('UPDATE specs SET pages = pages + 1 WHERE id = ?', id)
    const sql = 'INSERT INTO pages SELECT id, pages, ? FROM specs WHERE id = ?'
    this.#sql.exec(sql, JSON.stringify(users), id)
  }

  #workflow(name: string, version: number): Workflow | undefined {
    const key = `${name} ${version}`
    const known = this.#workflows.get(key)
    if (known !== undefined) return known
    const sql = 'SELECT text FROM workflows WHERE name = ? AND version = ?'
    const [row] = this.#sql.exec<{ text: string }>(sql, name, version)
    if (row === undefined) return undefined
    const workflow = parseStored<Workflow>(row.text)
    this.#workflows.set(key, workflow)
    return workflow
  }
}
