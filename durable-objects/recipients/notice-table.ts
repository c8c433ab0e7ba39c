import { closingTime, countFollowers, fixedEndOf, mayHaveUncounted } from '../../src/notifications/runs/digest.ts'
import {
  awaitedEventOf,
  digestKeyOf,
  nextDueAt,
  type DigestWait,
  type Follower,
  type OpenWindow,
  type Run,
} from '../../src/notifications/runs/run.ts'
import { readRun, runText } from '../../src/notifications/runs/stored-run.ts'
import { RowInserts } from '../shared/row-inserts.ts'
import { parseStored } from '../shared/parse-stored.ts'
import type { Sql } from '../shared/sql.ts'

/** One recipient of one notification. */
export interface NoticeKey {
  readonly user: string
  readonly notification: string
}

/** A notice with what is stored beside its run. */
export interface Notice extends NoticeKey {
  /** With all runs counted that were gathered into it. */
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

const insertNotices =
  'INSERT INTO notices (user, notification, look_at, digest_key, leader, follower, event_key, item, run)'

/**
 * The notices of one actor. New ones, and throttles, are inserted together: they are in the tables from `flush` on, or the next time a notice
 * is read.
 */
export class NoticeTable {
  readonly #sql: Sql
  readonly #inserts: RowInserts
  readonly #throttles: RowInserts

  constructor(sql: Sql) {
    this.#sql = sql
    this.#inserts = new RowInserts(sql, insertNotices, 9)
    this.#throttles = new RowInserts(sql, 'INSERT OR REPLACE INTO throttles (user, key, until, times)', 4)
  }

  flush(): void {
    this.#inserts.flush()
    this.#throttles.flush()
  }

  /** After a rollback nothing in memory holds. */
  forget(): void {
    this.#inserts.clear()
    this.#throttles.clear()
  }

  has({ user, notification }: NoticeKey): boolean {
    return this.withNotice([user], notification).size > 0
  }

  /** Those of the users that have a notice of a notification. */
  withNotice(users: readonly string[], notification: string): Set<string> {
    this.flush()
    const sql = 'SELECT user FROM notices WHERE user IN (SELECT value FROM json_each(?)) AND notification = ?'
    const found = this.#sql.exec<{ user: string }>(sql, JSON.stringify(users), notification)
    return new Set([...found].map(({ user }) => user))
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
      follower: run.gatheredInto?.n ?? fixedEndOf(run) ?? null,
      eventKey: awaited === undefined ? null : eventKeyOf(awaited.event, awaited.correlation),
    }
    const text = runText(run)
    notice.stored = columns
    if (stored === undefined) {
      const own = [user, notification, columns.lookAt, columns.digestKey, columns.leader, columns.follower]
      this.#inserts.add(...own, columns.eventKey, item ?? null, text)
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

  /** The windows that are open under a key, by their users. */
  windows(users: readonly string[], key: string): Map<string, OpenWindow> {
    this.flush()
    const sql = `SELECT n.user, n.notification, n.follower AS closes_at,
        coalesce((SELECT max(follower) FROM notices WHERE user = n.user AND leader = n.notification), 0) AS last
      FROM json_each(?1) u CROSS JOIN notices n ON n.user = u.value AND n.digest_key = ?2`
    const found = new Map<string, OpenWindow>()
    for (const row of this.#sql.exec<WindowRow>(sql, JSON.stringify(users), key).toArray()) {
      const { user, closes_at: closesAt, last } = row
      found.set(user, { run: runIdOf(row), closesAt: closesAt ?? this.#closingTime(row, key), last })
    }
    return found
  }

  /** When a window ends that runs prolong, or that an earlier version opened. */
  #closingTime({ user, notification }: NoticeKey, key: string): number {
    const sql = `SELECT n.run -> '$.wait' AS wait, f.run ->> '$.gatheredInto.at' AS at FROM notices n
      LEFT JOIN notices f ON f.user = n.user AND f.leader = n.notification
        AND f.follower = (SELECT max(follower) FROM notices WHERE user = ?1 AND leader = ?2)
      WHERE n.user = ?1 AND n.notification = ?2 AND n.digest_key = ?3`
    const [row] = this.#sql.exec<{ wait: string; at: number | null }>(sql, user, notification, key)
    return row === undefined ? 0 : closingTime(parseStored<DigestWait>(row.wait), row.at ?? undefined)
  }

  /** Counts the runs that were gathered into a run since it was read or written. */
  countGathered({ user, notification, run }: Notice): void {
    if (mayHaveUncounted(run)) countFollowers(run, this.#followersAfter({ user, notification }, run.followers))
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
    this.flush()
    const sql = 'SELECT min(look_at) AS at FROM notices WHERE look_at IS NOT NULL'
    return this.#sql.exec<{ at: number | null }>(sql).one().at ?? undefined
  }

  /** Notices whose runs wait for an event. */
  awaiting(event: string, correlation: string, limit: number): Notice[] {
    return this.#rows('event_key = ? LIMIT ?', eventKeyOf(event, correlation), limit)
  }

  /** A notice that could not be changed is looked at again later. */
  postpone({ user, notification }: NoticeKey, until: number): void {
    this.flush()
    this.#sql.exec('UPDATE notices SET look_at = ? WHERE user = ? AND notification = ?', until, user, notification)
  }

  delete({ user, notification }: NoticeKey): void {
    this.flush()
    this.#sql.exec('DELETE FROM notices WHERE user = ? AND notification = ?', user, notification)
  }

  /** Notifications that a user has a notice of, after `after`, in order. */
  notificationsOf(user: string, after: string, limit: number): string[] {
    this.flush()
    const sql = 'SELECT notification FROM notices WHERE user = ? AND notification > ? ORDER BY notification LIMIT ?'
    return [...this.#sql.exec<{ notification: string }>(sql, user, after, limit)].map(
      ({ notification }) => notification,
    )
  }

  /** Deletes everything of a user. */
  deleteUser(user: string): void {
    this.flush()
    this.#sql.exec('DELETE FROM notices WHERE user = ?', user)
    this.#sql.exec('DELETE FROM throttles WHERE user = ?', user)
  }

  /** When runs passed a throttle, by their users; of a user of whom nothing is known there is no list. */
  throttles(users: readonly string[], key: string): Map<string, number[]> {
    this.flush()
    const sql = 'SELECT user, times FROM throttles WHERE user IN (SELECT value FROM json_each(?)) AND key = ?'
    const found = new Map<string, number[]>()
    for (const { user, times } of this.#sql.exec<{ user: string; times: string }>(sql, JSON.stringify(users), key))
      found.set(user, parseStored<number[]>(times))
    return found
  }

  saveThrottle(user: string, key: string, times: readonly number[], until: number): void {
    this.#throttles.add(user, key, until, JSON.stringify(times))
  }

  /** Deletes throttles that allow everything again, of the next `scanned` after `after`; answers where to go on. */
  sweepThrottles(
    after: readonly [string, string],
    now: number,
    scanned: number,
  ): readonly [string, string] | undefined {
    this.flush()
    const sql = 'SELECT user, key, until FROM throttles WHERE (user, key) > (?, ?) ORDER BY user, key LIMIT ?'
    const rows = this.#sql.exec<{ user: string; key: string; until: number }>(sql, ...after, scanned).toArray()
    for (const { user, key, until } of rows)
      if (until <= now) this.#sql.exec('DELETE FROM throttles WHERE user = ? AND key = ?', user, key)
    const last = rows.at(-1)
    return rows.length === scanned && last !== undefined ? [last.user, last.key] : undefined
  }

  #followersAfter({ user, notification }: NoticeKey, n: number): Follower[] {
    this.flush()
    const sql = `SELECT follower AS n, coalesce(run ->> '$.events', 1) AS events, coalesce(run ->> '$.gatheredInto.at', 0) AS at
      FROM notices WHERE user = ? AND leader = ? AND follower > ? ORDER BY follower`
    return this.#sql.exec<{ n: number; events: number; at: number }>(sql, user, notification, n).toArray()
  }

  #rows(where: string, ...values: (string | number)[]): Notice[] {
    this.flush()
    const sql = `SELECT user, notification, look_at, digest_key, leader, follower, event_key, item, run FROM notices WHERE ${where}`
    const notices = this.#sql
      .exec<NoticeRow>(sql, ...values)
      .toArray()
      .map(noticeOf)
    for (const notice of notices) this.countGathered(notice)
    return notices
  }
}

const noticeOf = (row: NoticeRow): Notice => ({
  user: row.user,
  notification: row.notification,
  run: readRun(row.run, row),
  item: row.item ?? undefined,
  stored: {
    lookAt: row.look_at,
    digestKey: row.digest_key,
    leader: row.leader,
    follower: row.follower,
    eventKey: row.event_key,
  },
})

/** The id of a run, with which the ids of its deliveries begin. */
export const runIdOf = ({ user, notification }: NoticeKey): string => `${notification}/${user}`

/** The notification of a run, from its id. */
export const notificationOf = (run: string): string => run.slice(0, run.indexOf('/'))

const eventKeyOf = (event: string, correlation: string): string => `${event} ${correlation}`

interface WindowRow extends Record<string, string | number | null> {
  readonly user: string
  readonly notification: string
  readonly closes_at: number | null
  readonly last: number
}

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
