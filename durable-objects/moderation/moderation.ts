import {
  refuseDecision,
  targetKey,
  withDecision,
  withReport,
  type Decision,
  type NewReport,
  type Review,
} from '../../src/moderation/review.ts'
import { randomToken } from '../../src/kernel/id.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import {
  noteLength,
  type ModerationAct,
  type ReportView,
  type ReviewState,
  type ReviewTarget,
  type ReviewView,
  type TenantBan,
} from '../../src/protocol/moderation-api.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName } from '../address.ts'
import type { ModerationRpc, NotedReport } from '../contracts.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { parseStored } from '../shared/parse-stored.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { moderationSchema } from './schema.ts'

/** What a tenant may have. */
const maxOpenReviews = 100_000
const maxBans = 100_000
const maxActs = 100_000
/** Reports of a review that are kept; further ones are counted. */
const keptReports = 100
/** Reports of one user in a day. */
const reportsPerDay = 50
const dayMs = 86_400_000
/** Decided reviews are kept for so long. Two at most are deleted with each report. */
const keepDecidedMs = 180 * dayMs
/** Rows that one part of an erasure changes. */
const erasedPerPart = 200

/** Stands for the reporter where a rule flagged a message; no id of a user is empty. */
const byRules = ''

type Act = Omit<ModerationAct, 'id'>

/** Bans from a tenant, what its users reported, and the log of what its moderators did. See docs/design/moderation.md. */
export class Moderation extends TenantActor implements ModerationRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'moderation')
  readonly #sql = this.ctx.storage.sql
  #exists = isUsed(this.#sql)

  /** Lists a ban that the inbox of the user has begun, and logs it. */
  noteBan(ban: TenantBan, key: string): { readonly kind: 'noted' } | Refusal {
    this.#create()
    const isKnown = this.#count('SELECT count(*) AS n FROM bans WHERE user = ?', ban.user) > 0
    const now = this.#clock.now()
    if (!isKnown && this.#count('SELECT count(*) AS n FROM bans') >= maxBans) {
      this.#sql.exec('DELETE FROM bans WHERE until <= ?', now)
      if (this.#count('SELECT count(*) AS n FROM bans') >= maxBans)
        return refuse('limitExceeded', `bans: at most ${maxBans}; end some first`)
    }
    const { user, until, reason, moderator, at } = ban
    this.#sql.exec('INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?, ?)', user, until, reason, moderator, at)
    this.#log({ ...noAct, at: now, action: 'user.banned', key, moderator, user, until, reason })
    return { kind: 'noted' }
  }

  /** Takes a ban off the list, and logs it. */
  noteUnban(user: string, moderator: string | null, key: string): void {
    if (!this.#exists) return
    const found = this.#sql.exec('DELETE FROM bans WHERE user = ? RETURNING user', user).toArray()
    if (found.length > 0) this.#log({ ...noAct, at: this.#clock.now(), action: 'user.unbanned', key, moderator, user })
  }

  /** Bans that are in force, by user id, those behind `after`. */
  bans(after: string, limit: number): TenantBan[] {
    if (!this.#exists) return []
    const sql = `SELECT user, until, reason, moderator, at FROM bans
      WHERE user > ? AND (until IS NULL OR until > ?) ORDER BY user LIMIT ?`
    return this.#sql.exec<TenantBan & Row>(sql, after, this.#clock.now(), limit).toArray()
  }

  /** Notes a report; the same reporter's second one of the same thing is a duplicate. */
  report(report: NewReport): NotedReport | Refusal {
    this.#create()
    this.#place.used()
    const now = this.#clock.now()
    const key = targetKey(report.target)
    const found = this.#review('target = ?', key)
    const { reporter, reason, text } = report
    if (found !== undefined) {
      const sql = 'SELECT number FROM reports WHERE review = ? AND reporter = ?'
      const [before] = this.#sql.exec<{ number: number }>(sql, found.n, reporter).toArray()
      if (before !== undefined) return { kind: 'noted', review: found.id, number: before.number, duplicate: true }
    }
    const isRule = reporter === byRules
    const today = 'SELECT at FROM reports WHERE reporter = ? AND at > ? ORDER BY at'
    const recent = isRule ? [] : this.#sql.exec<{ at: number }>(today, reporter, now - dayMs).toArray()
    if (recent.length >= reportsPerDay) {
      const waitMs = Math.max(1000, (recent.at(-reportsPerDay)?.at ?? now) + dayMs - now)
      return refuse(
        'tooManyRequests',
        `at most ${reportsPerDay} reports of one user in a day; wait ${waitMs} ms`,
        waitMs,
      )
    }
    const isNew = found === undefined || found.review.state !== 'open'
    if (isNew && this.#count("SELECT count(*) AS n FROM reviews WHERE state = 'open'") >= maxOpenReviews)
      return refuse('limitExceeded', `reviews: at most ${maxOpenReviews} open ones; decide some first`)
    const review = withReport(found?.review, report, now)
    const { n, id } = this.#put(found, key, review, now)
    if (review.reports <= keptReports) {
      const sql = 'INSERT INTO reports (review, reporter, at, number, reason, text) VALUES (?, ?, ?, ?, ?, ?)'
      this.#sql.exec(sql, n, reporter, now, review.reports, reason, text)
    }
    this.#sweep(now)
    return { kind: 'noted', review: id, number: review.reports, duplicate: false }
  }

  /** Opens a review of a message that rules of the tenant flag. Beyond the bound of open reviews nothing is noted. */
  flag(target: ReviewTarget, rules: readonly string[]): void {
    this.report({ target, reporter: byRules, reason: 'rule', text: rules.join(', ').slice(0, noteLength) })
  }

  /** Reviews in a state, the oldest first, those behind `after`, and where the following page begins. */
  reviews(
    state: ReviewState,
    after: number,
    limit: number,
  ): { readonly reviews: ReviewView[]; readonly next: string | null } {
    if (!this.#exists) return { reviews: [], next: null }
    const sql = 'SELECT n, id, data FROM reviews WHERE state = ? AND n > ? ORDER BY n LIMIT ?'
    const rows = this.#sql.exec<{ n: number; id: string; data: string }>(sql, state, after, limit + 1).toArray()
    const page = rows.slice(0, limit)
    return {
      reviews: page.map(({ id, data }) => ({ id, ...parseStored<Review>(data) })),
      next: rows.length > limit ? String(page.at(-1)?.n ?? 0) : null,
    }
  }

  /** One review with its first reports. */
  review(id: string): { readonly review: ReviewView; readonly reports: ReportView[] } | undefined {
    const found = this.#exists ? this.#review('id = ?', id) : undefined
    if (found === undefined) return undefined
    const sql = 'SELECT reporter, reason, text, at FROM reports WHERE review = ? ORDER BY number LIMIT ?'
    const reports = this.#sql.exec<ReportView & Row>(sql, found.n, keptReports).toArray()
    return { review: { id, ...found.review }, reports }
  }

  /** Decides a review, and logs that. The caller has done what the decision says. */
  decide(id: string, decision: Decision, key: string): ReviewView | Refusal {
    const found = this.#exists ? this.#review('id = ?', id) : undefined
    if (found === undefined) return refuse('notFound', 'id: there is no such review')
    const denied = refuseDecision(found.review, decision.action)
    if (denied !== undefined) return denied
    const now = this.#clock.now()
    const review = withDecision(found.review, decision, now)
    this.#put(found, targetKey(review.target), review, now)
    const { action, until, moderator, note } = decision
    const about = { user: review.target.user, review: id, decision: action, until, reason: note }
    this.#log({ ...noAct, at: now, action: 'review.decided', key, moderator, ...about })
    return { id, ...review }
  }

  /** What moderators did, the newest first, before `before`. */
  acts(before: number, limit: number): ModerationAct[] {
    if (!this.#exists) return []
    const sql = 'SELECT n, data FROM acts WHERE n < ? ORDER BY n DESC LIMIT ?'
    const rows = this.#sql.exec<{ n: number; data: string }>(sql, before, limit)
    return Array.from(rows, ({ n, data }) => ({ id: String(n), ...parseStored<Act>(data) }))
  }

  /** Erases what is held of a user: reviews about them, their reports and their ban; the log names the pseudonym instead. */
  eraseUser(user: string, pseudonym: string): { readonly erased: number; readonly isDone: boolean } {
    if (!this.#exists) return { erased: 0, isDone: true }
    return this.ctx.storage.transactionSync(() => {
      const deleted = (sql: string, ...bindings: (string | number)[]) =>
        this.#sql.exec(sql, ...bindings).toArray().length
      let erased = deleted('DELETE FROM bans WHERE user = ? RETURNING user', user)
      const about = this.#sql
        .exec<{ n: number }>('SELECT n FROM reviews WHERE user = ? LIMIT ?', user, erasedPerPart)
        .toArray()
      for (const { n } of about) {
        this.#sql.exec('DELETE FROM reports WHERE review = ?', n)
        this.#sql.exec('DELETE FROM reviews WHERE n = ?', n)
      }
      const own = 'SELECT review FROM reports WHERE reporter = ? LIMIT ?'
      const reported = this.#sql.exec<{ review: number }>(own, user, erasedPerPart).toArray()
      const rename = 'UPDATE reports SET reporter = ?, text = NULL WHERE review = ? AND reporter = ?'
      for (const { review } of reported) this.#sql.exec(rename, pseudonym, review, user)
      const logged = 'SELECT n, data FROM acts WHERE user = ? OR moderator = ? LIMIT ?'
      const acts = this.#sql.exec<{ n: number; data: string }>(logged, user, user, erasedPerPart).toArray()
      const other = (name: string | null) => (name === user ? pseudonym : name)
      for (const { n, data } of acts) {
        const act = parseStored<Act>(data)
        const isAbout = act.user === user
        const without = {
          ...act,
          user: other(act.user),
          moderator: other(act.moderator),
          reason: isAbout ? null : act.reason,
        }
        const sql = 'UPDATE acts SET user = ?, moderator = ?, data = ? WHERE n = ?'
        this.#sql.exec(sql, without.user, without.moderator, JSON.stringify(without), n)
      }
      const decided = this.#decidedBy(user)
      for (const { review, n } of decided) {
        if (review.decision === null) continue
        const decision = { ...review.decision, moderator: pseudonym }
        this.#sql.exec('UPDATE reviews SET data = ? WHERE n = ?', JSON.stringify({ ...review, decision }), n)
        erased++
      }
      const sql = 'UPDATE bans SET moderator = ? WHERE moderator = ? RETURNING user'
      erased += deleted(sql, pseudonym, user) + about.length + reported.length + acts.length
      const isDone = [about, reported, acts, decided].every((part) => part.length < erasedPerPart)
      return { erased, isDone }
    })
  }

  /** Reviews that a moderator decided. Erasing a moderator is rare, so that no index serves this. */
  #decidedBy(moderator: string): { readonly n: number; readonly review: Review }[] {
    const sql = "SELECT n, data FROM reviews WHERE json_extract(data, '$.decision.moderator') = ? LIMIT ?"
    const rows = this.#sql.exec<{ n: number; data: string }>(sql, moderator, erasedPerPart).toArray()
    return rows.map(({ n, data }) => ({ n, review: parseStored<Review>(data) }))
  }

  #review(where: 'id = ?' | 'target = ?', value: string): (Known & { readonly review: Review }) | undefined {
    const rows = this.#sql.exec<{ n: number; id: string; data: string }>(
      `SELECT n, id, data FROM reviews WHERE ${where}`,
      value,
    )
    const [row] = rows.toArray()
    return row === undefined ? undefined : { n: row.n, id: row.id, review: parseStored<Review>(row.data) }
  }

  #put(known: Known | undefined, key: string, review: Review, now: number): Known {
    const sql = `INSERT INTO reviews (n, id, target, state, user, changed_at, data) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (n) DO UPDATE SET state = excluded.state, user = excluded.user, changed_at = excluded.changed_at,
        data = excluded.data RETURNING n, id`
    const { state, target } = review
    const data = JSON.stringify(review)
    const id = known?.id ?? randomToken(16)
    return this.#sql.exec<Known & Row>(sql, known?.n ?? null, id, key, state, target.user, now, data).one()
  }

  #log(act: Act): void {
    const sql = 'INSERT INTO acts (user, moderator, data) VALUES (?, ?, ?) RETURNING n'
    const { n } = this.#sql.exec<{ n: number }>(sql, act.user, act.moderator, JSON.stringify(act)).one()
    this.#sql.exec('DELETE FROM acts WHERE n <= ?', n - maxActs)
  }

  #sweep(now: number): void {
    const sql = "SELECT n FROM reviews WHERE state <> 'open' AND changed_at < ? ORDER BY n LIMIT 2"
    for (const { n } of this.#sql.exec<{ n: number }>(sql, now - keepDecidedMs).toArray()) {
      this.#sql.exec('DELETE FROM reports WHERE review = ?', n)
      this.#sql.exec('DELETE FROM reviews WHERE n = ?', n)
    }
  }

  #count(sql: string, ...bindings: string[]): number {
    return this.#sql.exec<{ n: number }>(sql, ...bindings).one().n
  }

  #create(): void {
    if (this.#exists) return
    requireTenant(ownName(this.ctx.id.name).tenant)
    migrate(this.#sql, moderationSchema)
    this.#exists = true
  }
}

/** The number of a review, by which reviews are listed, and its id. */
interface Known {
  readonly n: number
  readonly id: string
}

type Row = Record<string, SqlStorageValue>

const noAct = { user: null, review: null, decision: null, until: null, reason: null } as const
