import type { Sql } from '../shared/sql.ts'

/**
 * Topics are known by the number that the catalog gave them: a topic that is deleted and made again has another one, so that the old
 * one's subscribers can be deleted bit by bit. `topics` has how many subscribers of this actor each has; `is_deleted` is 1 while rows of a
 * deleted topic are left, and 2 then.
 */
export const topicsSchema = `
  CREATE TABLE topic_subscribers (topic INTEGER NOT NULL, user TEXT NOT NULL, PRIMARY KEY (topic, user)) WITHOUT ROWID;
  CREATE INDEX subscribers_topics ON topic_subscribers (user, topic);
  CREATE TABLE topics (topic INTEGER PRIMARY KEY, subscribers INTEGER NOT NULL, is_deleted INTEGER NOT NULL);`

/** The topics that users of one actor are subscribed to. */
export class TopicTable {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** Subscribes users; returns how many were not subscribed before. A topic that is being deleted takes none. */
  add(topic: number, users: readonly string[]): number {
    if (this.#isDeleted(topic)) return 0
    const sql = 'INSERT INTO topic_subscribers (topic, user) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING user'
    const added = users.filter((user) => this.#sql.exec(sql, topic, user).toArray().length > 0).length
    this.#count(topic, added)
    return added
  }

  /** Ends subscriptions; returns how many there were. */
  remove(topic: number, users: readonly string[]): number {
    const sql = 'DELETE FROM topic_subscribers WHERE topic = ? AND user = ? RETURNING user'
    const removed = users.filter((user) => this.#sql.exec(sql, topic, user).toArray().length > 0).length
    this.#count(topic, -removed)
    return removed
  }

  /** Subscribers in the order of their ids, those behind `after`. */
  subscribers(topic: number, after: string, limit: number): string[] {
    if (this.#isDeleted(topic)) return []
    const sql = 'SELECT user FROM topic_subscribers WHERE topic = ? AND user > ? ORDER BY user LIMIT ?'
    return [...this.#sql.exec<{ user: string }>(sql, topic, after, limit)].map(({ user }) => user)
  }

  count(topic: number): number {
    const sql = 'SELECT subscribers FROM topics WHERE topic = ? AND is_deleted = 0'
    return this.#sql.exec<{ subscribers: number }>(sql, topic).toArray()[0]?.subscribers ?? 0
  }

  topicsOf(user: string): number[] {
    const sql = 'SELECT topic FROM topic_subscribers WHERE user = ? ORDER BY topic'
    return [...this.#sql.exec<{ topic: number }>(sql, user)].map(({ topic }) => topic)
  }

  /** From now on the topic has no subscribers; `purge` deletes their rows. */
  delete(topic: number): void {
    const sql = `INSERT INTO topics (topic, subscribers, is_deleted) VALUES (?, 0, 1)
      ON CONFLICT (topic) DO UPDATE SET subscribers = 0, is_deleted = max(is_deleted, 1)`
    this.#sql.exec(sql, topic)
  }

  /** Whether a topic was deleted whose rows are not. */
  get hasRest(): boolean {
    return this.#sql.exec('SELECT 1 FROM topics WHERE is_deleted = 1 LIMIT 1').toArray().length > 0
  }

  /** Deletes rows of deleted topics; whether some may be left. The mark of deletion stays: a late request may name the topic. */
  purge(limit: number): boolean {
    const [row] = this.#sql.exec<{ topic: number }>('SELECT topic FROM topics WHERE is_deleted = 1 LIMIT 1')
    if (row === undefined) return false
    const sql = `DELETE FROM topic_subscribers WHERE topic = ?1 AND user IN (
      SELECT user FROM topic_subscribers WHERE topic = ?1 ORDER BY user LIMIT ?2) RETURNING topic`
    if (this.#sql.exec(sql, row.topic, limit).toArray().length < limit)
      this.#sql.exec('UPDATE topics SET is_deleted = 2 WHERE topic = ?', row.topic)
    return this.hasRest
  }

  /** Ends all subscriptions of a user. */
  deleteUser(user: string): void {
    for (const topic of this.topicsOf(user)) this.remove(topic, [user])
  }

  #isDeleted(topic: number): boolean {
    return this.#sql.exec('SELECT 1 FROM topics WHERE topic = ? AND is_deleted > 0', topic).toArray().length > 0
  }

  #count(topic: number, by: number): void {
    if (by === 0) return
    const sql = `INSERT INTO topics (topic, subscribers, is_deleted) VALUES (?, ?, 0)
      ON CONFLICT (topic) DO UPDATE SET subscribers = subscribers + excluded.subscribers`
    this.#sql.exec(sql, topic, by)
  }
}
