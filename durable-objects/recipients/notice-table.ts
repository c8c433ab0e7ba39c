import { awaitedEventOf, digestKeyOf, nextDueAt, type Run } from '../../src/notifications/runs/run.ts'
import { parseStored } from '../shared/parse-stored.ts'
import type { Sql } from '../shared/sql.ts'

/** One recipient of one notification. */
export interface NoticeKey {
  readonly user: string
  readonly notification: string
}

/** A notice with what is stored beside its run. */
export interface Notice extends NoticeKey {
  readonly run: Run
  /** The item in the feed, as `<feed>:<number>`. */
  item: string | undefined
  /** As stored; undefined of a new one. A change of a column with an index costs an entry of it. */
  stored: Columns | undefined
}

interface Columns {
  readonly lookAt: number | null
  readonly digestKey: string | null
  readonly leader: string | null
  readonly eventKey: string | null
  readonly follower: number | null
}

/** The notices of one actor. */
export class NoticeTable {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  has({ user, notification }: NoticeKey): boolean {
    const sql = 'SELECT 1 FROM notices WHERE user = ? AND notification = ?'
    return this.#sql.exec(sql, user, notification).toArray().length > 0
  }

  find({ user, notification }: NoticeKey): Notice | undefined {
    const [row] = this.#rows('user = ? AND notification = ?', user, notification)
    return row
  }

  /** Writes a notice. `isDue` says that the stored time has been looked at; else an earlier one stays, so that no index is written. */
  put(notice: Notice, isDue: boolean): void {
    const { user, notification, run, item, stored } = notice
    const due = nextDueAt(run)
    const before = stored?.lookAt ?? null
    const isEarly = before !== null && before <= due && due !== Infinity && !isDue
    const lookAt = isEarly ? before : due === Infinity ? null : Math.ceil(due)
    const leader = run.gatheredInto === null ? null : notificationOf(run.gatheredInto.run)
    const awaited = awaitedEventOf(run)
    const columns: Columns = {
      lookAt,
      digestKey: digestKeyOf(run) ?? null,
      leader,
      follower: run.gatheredInto?.n ?? null,
      eventKey: awaited === undefined ? null : eventKeyOf(awaited.event, awaited.correlation),
    }
    const text = JSON.stringify(run)
    notice.stored = columns
    if (stored === undefined) {
      const sql = `INSERT INTO notices (user, notification, look_at, digest_key, leader, follower, event_key, item, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
      const own = [user, notification, columns.lookAt, columns.digestKey, columns.leader, columns.follower]
      this.#sql.exec(sql, ...own, columns.eventKey, item ?? null, text)
      return
    }
    const set = ['run = ?', 'item = ?']
    const values: (string | number | null)[] = [text, item ?? null]
    const change = (column: string, value: string | number | null, was: string | number | null): void => {
      if (value === was) return
      set.push(`${column} = ?`)
      values.push(value)
    }
    change('look_at', columns.lookAt, stored.lookAt)
    change('digest_key', columns.digestKey, stored.digestKey)
    change('leader', columns.leader, stored.leader)
    change('follower', columns.follower, stored.follower)
    change('event_key', columns.eventKey, stored.eventKey)
    this.#sql.exec(
      `UPDATE notices SET ${set.join(', ')} WHERE user = ? AND notification = ?`,
      ...values,
      user,
      notification,
    )
  }

  /** The notice of a user whose run gathers under a key. */
  gathering(user: string, key: string): Notice | undefined {
    const [row] = this.#rows('user = ? AND digest_key = ?', user, key)
    return row
  }

  /** Notices that were gathered into another one, the newest first; read a page at a time. */
  *followers(user: string, leader: string): Generator<Notice> {
    for (let before = Number.MAX_SAFE_INTEGER; ;) {
      const where = 'user = ? AND leader = ? AND follower < ? ORDER BY follower DESC LIMIT 50'
      const page = this.#rows(where, user, leader, before)
      yield* page
      const last = page.at(-1)?.run.gatheredInto?.n
      if (last === undefined || page.length < 50) return
      before = last
    }
  }

  /** Notices for which something may be due, the earliest first. */
  due(now: number, limit: number): Notice[] {
    return this.#rows('look_at <= ? ORDER BY look_at LIMIT ?', now, limit)
  }

  /** A page of notices that may have a call under way: those look at their calls until `until`. */
  lookedAtUntil(until: number, after: number, limit: number): Notice[] {
    return this.#rows('look_at > ? AND look_at <= ? ORDER BY look_at LIMIT ?', after, until, limit)
  }

  nextLookAt(): number | undefined {
    const sql = 'SELECT min(look_at) AS at FROM notices WHERE look_at IS NOT NULL'
    return this.#sql.exec<{ at: number | null }>(sql).one().at ?? undefined
  }

  /** Notices whose runs wait for an event. */
  awaiting(event: string, correlation: string, limit: number): Notice[] {
    return this.#rows('event_key = ? LIMIT ?', eventKeyOf(event, correlation), limit)
  }

  /** A notice that could not be changed is looked at again later. */
  postpone({ user, notification }: NoticeKey, until: number): void {
    this.#sql.exec('UPDATE notices SET look_at = ? WHERE user = ? AND notification = ?', until, user, notification)
  }

  delete({ user, notification }: NoticeKey): void {
    this.#sql.exec('DELETE FROM notices WHERE user = ? AND notification = ?', user, notification)
  }

  /** Notifications that a user has a notice of, after `after`, in order. */
  notificationsOf(user: string, after: string, limit: number): string[] {
    const sql = 'SELECT notification FROM notices WHERE user = ? AND notification > ? ORDER BY notification LIMIT ?'
    return [...this.#sql.exec<{ notification: string }>(sql, user, after, limit)].map(
      ({ notification }) => notification,
    )
  }

  /** Deletes everything of a user. */
  deleteUser(user: string): void {
    this.#sql.exec('DELETE FROM notices WHERE user = ?', user)
    this.#sql.exec('DELETE FROM throttles WHERE user = ?', user)
  }

  throttle(user: string, key: string): number[] {
    const sql = 'SELECT times FROM throttles WHERE user = ? AND key = ?'
    const [row] = this.#sql.exec<{ times: string }>(sql, user, key)
    return row === undefined ? [] : parseStored<number[]>(row.times)
  }

  saveThrottle(user: string, key: string, times: readonly number[], until: number): void {
    this.#sql.exec('INSERT OR REPLACE INTO throttles VALUES (?, ?, ?, ?)', user, key, until, JSON.stringify(times))
  }

  /** Deletes throttles that allow everything again, of the next `scanned` after `after`; answers where to go on. */
  sweepThrottles(
    after: readonly [string, string],
    now: number,
    scanned: number,
  ): readonly [string, string] | undefined {
    const sql = 'SELECT user, key, until FROM throttles WHERE (user, key) > (?, ?) ORDER BY user, key LIMIT ?'
    const rows = this.#sql.exec<{ user: string; key: string; until: number }>(sql, ...after, scanned).toArray()
    for (const { user, key, until } of rows)
      if (until <= now) this.#sql.exec('DELETE FROM throttles WHERE user = ? AND key = ?', user, key)
    const last = rows.at(-1)
    return rows.length === scanned && last !== undefined ? [last.user, last.key] : undefined
  }

  #rows(where: string, ...values: (string | number)[]): Notice[] {
    const sql = `SELECT user, notification, look_at, digest_key, leader, follower, event_key, item, run FROM notices WHERE ${where}`
    return this.#sql
      .exec<NoticeRow>(sql, ...values)
      .toArray()
      .map((row) => ({
        user: row.user,
        notification: row.notification,
        run: parseStored<Run>(row.run),
        item: row.item ?? undefined,
        stored: {
          lookAt: row.look_at,
          digestKey: row.digest_key,
          leader: row.leader,
          follower: row.follower,
          eventKey: row.event_key,
        },
      }))
  }
}

/** The id of a run, with which the ids of its deliveries begin. */
export const runIdOf = ({ user, notification }: NoticeKey): string => `${notification}/${user}`

/** The notification of a run, from its id. */
export const notificationOf = (run: string): string => run.slice(0, run.indexOf('/'))

const eventKeyOf = (event: string, correlation: string): string => `${event} ${correlation}`

interface NoticeRow extends Record<string, string | number | null> {
  readonly user: string
  readonly notification: string
  readonly look_at: number | null
  readonly digest_key: string | null
  readonly leader: string | null
  readonly follower: number | null
  readonly event_key: string | null
  readonly item: string | null
  readonly run: string
}
