import type { Part } from '../../src/notifications/fan-out/parts.ts'
import type { NotificationSpec } from '../../src/notifications/model.ts'
import { parseStored } from '../shared/parse-stored.ts'
import { viewOf, type NotificationRow } from './view.ts'
import type {
  NamedRecipient,
  NewNotification,
  NotificationPage,
  NotificationQuery,
  NotificationView,
  HandoverCall,
} from '../notification-contracts.ts'

/** Refused recipients that are kept with the notification; the answer to the request lists all. */
const keptRefusals = 1000
/** Rows that one page of a list looks at. */
const scannedRows = 1000

/** A part that has to be handed over. */
export interface StoredPart {
  readonly part: number
  readonly actor: number
  readonly recipients: HandoverCall['part']
}

/** A cancellation that an actor has to learn of. */
export interface StoredCancel {
  readonly notification: string
  readonly actor: number
  readonly n: number
  readonly users: readonly string[] | undefined
}

/** The notifications of one actor, their parts, and cancellations that are under way. */
export class NotificationTable {
  readonly #sql: SqlStorage
  /** Specs of notifications that are handed over. */
  readonly #specs = new Map<string, { readonly spec: NotificationSpec; readonly keepMs: number }>()

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  find(id: string): NotificationView | undefined {
    const [row] = this.#sql.exec<NotificationRow>('SELECT * FROM notifications WHERE id = ?', id)
    return row === undefined ? undefined : viewOf(row)
  }

  fingerprintOf(id: string): string | undefined {
    const sql = 'SELECT fingerprint FROM notifications WHERE id = ?'
    return this.#sql.exec<{ fingerprint: string }>(sql, id).toArray()[0]?.fingerprint
  }

  /** Stores a notification with its parts; one without parts is complete at once. */
  add({ spec, selection, refused, deliverAt, keepMs, fingerprint }: NewNotification, parts: readonly NewPart[]): void {
    const recipients = selection.kind === 'users' ? selection.users.length : null
    const dueAt = parts.length === 0 ? null : deliverAt
    const own = [spec.id, spec.at, deliverAt, dueAt, keepMs, spec.workflow.name, spec.cancellationKey ?? null]
    const refusals = JSON.stringify(refused.slice(0, keptRefusals))
    const rest = [fingerprint, selection.kind, recipients, refused.length, refusals, JSON.stringify(spec)]
    this.#sql.exec(
      `INSERT INTO notifications (id, at, deliver_at, due_at, is_canceled, keep_ms, workflow, cancel_key, fingerprint, selection, recipients,
         handed, called, refused, refusals, spec) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?)`,
      ...own,
      ...rest,
    )
    for (const [part, { actor, recipients: given }] of parts.entries())
      this.#sql.exec('INSERT INTO parts VALUES (?, ?, ?, ?)', spec.id, part, actor, JSON.stringify(given))
  }

  specOf(id: string): { readonly spec: NotificationSpec; readonly keepMs: number } | undefined {
    const known = this.#specs.get(id)
    if (known !== undefined) return known
    const sql = 'SELECT spec, keep_ms FROM notifications WHERE id = ?'
    const [row] = this.#sql.exec<{ spec: string; keep_ms: number }>(sql, id)
    if (row === undefined) return undefined
    const found = { spec: parseStored<NotificationSpec>(row.spec), keepMs: row.keep_ms }
    this.#specs.set(id, found)
    return found
  }

  /** The first part of a notification that is none of these. */
  nextPart(id: string, without: ReadonlySet<number>): StoredPart | undefined {
    const sql = 'SELECT part, actor, text FROM parts WHERE notification = ? ORDER BY part LIMIT ?'
    const rows = this.#sql.exec<{ part: number; actor: number; text: string }>(sql, id, without.size + 1)
    for (const { part, actor, text } of rows)
      if (!without.has(part)) {
        return { part, actor, recipients: parseStored<HandoverCall['part']>(text) }
      }
    return undefined
  }

  /** A part has been handed over; `rest` is what remains of it. A repeated report changes nothing. */
  handedOver(id: string, part: number, users: number, rest: HandoverCall['part'] | undefined): void {
    const sql = 'SELECT actor FROM parts WHERE notification = ? AND part = ?'
    const [known] = this.#sql.exec<{ actor: number }>(sql, id, part)
    if (known === undefined) return
    if (rest === undefined) this.#sql.exec('DELETE FROM parts WHERE notification = ? AND part = ?', id, part)
    else {
      const update = 'UPDATE parts SET text = ? WHERE notification = ? AND part = ?'
      this.#sql.exec(update, JSON.stringify(rest), id, part)
    }
    const isOver = this.#sql.exec('SELECT 1 FROM parts WHERE notification = ? LIMIT 1', id).toArray().length === 0
    if (isOver) this.#specs.delete(id)
    const over = isOver ? ', due_at = NULL' : ''
    const progress = `UPDATE notifications SET handed = handed + ?, called = called | ?${over} WHERE id = ?`
    this.#sql.exec(progress, users, 1 << known.actor, id)
  }

  hasParts(id: string): boolean {
    return this.#sql.exec('SELECT 1 FROM parts WHERE notification = ? LIMIT 1', id).toArray().length > 0
  }

  /** Notifications with parts that are due, the oldest first. */
  due(now: number, limit: number): string[] {
    const sql = 'SELECT id FROM notifications WHERE due_at <= ? ORDER BY due_at LIMIT ?'
    return this.#sql
      .exec<{ id: string }>(sql, now, limit)
      .toArray()
      .map(({ id }) => id)
  }

  /** When the next notification is due. */
  nextDueAt(after: number): number | undefined {
    const sql = 'SELECT min(due_at) AS at FROM notifications WHERE due_at > ?'
    return this.#sql.exec<{ at: number | null }>(sql, after).one().at ?? undefined
  }

  list({ workflow, before, limit }: NotificationQuery): NotificationPage {
    const sql = 'SELECT * FROM notifications WHERE (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?'
    const notifications: NotificationView[] = []
    let last: NotificationPage['last']
    let seen = 0
    for (const row of this.#sql.exec<NotificationRow>(sql, before.at, before.id, scannedRows)) {
      if (notifications.length === limit) return { notifications, last }
      seen++
      last = { at: row.at, id: row.id }
      if (workflow === undefined || row.workflow === workflow) notifications.push(viewOf(row))
    }
    return { notifications, last: seen === scannedRows ? last : undefined }
  }

  /** Notifications with a key that are not canceled as a whole, the newest first. */
  withKey(key: string, limit: number): string[] {
    const sql = 'SELECT id FROM notifications WHERE cancel_key = ? AND is_canceled = 0 ORDER BY at DESC LIMIT ?'
    return this.#sql
      .exec<{ id: string }>(sql, key, limit)
      .toArray()
      .map(({ id }) => id)
  }

  /** Nothing more is handed over. Answers the actors that may have recipients of it. */
  cancelAll(id: string, now: number): number[] {
    const state = 'SELECT called, deliver_at FROM notifications WHERE id = ?'
    const [row] = this.#sql.exec<{ called: number; deliver_at: number }>(state, id)
    const { called = 0, deliver_at: deliverAt = Infinity } = row ?? {}
    const unfinished = 'SELECT DISTINCT actor FROM parts WHERE notification = ?'
    const maybe = deliverAt > now ? [] : this.#sql.exec<{ actor: number }>(unfinished, id).toArray()
    const actors = new Set(maybe.map(({ actor }) => actor))
    for (let actor = 0; actor < 32; actor++) if ((called & (1 << actor)) !== 0) actors.add(actor)
    this.#sql.exec('DELETE FROM parts WHERE notification = ?', id)
    this.#sql.exec('UPDATE notifications SET is_canceled = 1, due_at = NULL WHERE id = ?', id)
    return [...actors]
  }

  addCancel(notification: string, actor: number, users: readonly string[] | undefined): void {
    const sql = `INSERT INTO cancels SELECT ?, ?, coalesce(max(n), 0) + 1, ? FROM cancels WHERE notification = ? AND actor = ?`
    const text = users === undefined ? null : JSON.stringify(users)
    this.#sql.exec(sql, notification, actor, text, notification, actor)
  }

  cancels(limit: number): StoredCancel[] {
    const sql = 'SELECT notification, actor, n, users FROM cancels LIMIT ?'
    return this.#sql
      .exec<{ notification: string; actor: number; n: number; users: string | null }>(sql, limit)
      .toArray()
      .map(({ users, ...rest }) => ({ ...rest, users: users === null ? undefined : usersIn(users) }))
  }

  removeCancel({ notification, actor, n }: StoredCancel): void {
    this.#sql.exec('DELETE FROM cancels WHERE notification = ? AND actor = ? AND n = ?', notification, actor, n)
  }

  /** Deletes the oldest notifications whose time is over; answers when the next one's is. */
  sweep(now: number, limit: number): number | undefined {
    const sql = 'SELECT id, at, keep_ms, due_at FROM notifications ORDER BY at, id LIMIT ?'
    type Row = { id: string; at: number; keep_ms: number; due_at: number | null }
    for (const { id, at, keep_ms: keepMs, due_at: dueAt } of this.#sql.exec<Row>(sql, limit).toArray()) {
      if (dueAt !== null || at + keepMs > now) return Math.max(at + keepMs, dueAt ?? 0) + 1
      this.#sql.exec('DELETE FROM notifications WHERE id = ?', id)
    }
    return this.#sql.exec('SELECT 1 FROM notifications LIMIT 1').toArray().length === 0 ? undefined : now + 1000
  }

  /** After a rollback nothing in memory holds. */
  forget(): void {
    this.#specs.clear()
  }
}

export interface NewPart {
  readonly actor: number
  readonly recipients: HandoverCall['part']
}

export const partOfUsers = ({ actor, users }: Part<NamedRecipient>): NewPart => ({
  actor,
  recipients: { kind: 'users', users },
})

const usersIn = (text: string): string[] => parseStored<string[]>(text)
