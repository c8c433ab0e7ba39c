import type { KnownPlace, PublishKeys } from '../../src/topics/ports.ts'

/** How long a repeat is recognised, as Centrifugo does. */
export const keptMs = 300_000

/** The idempotency keys of one topic's last five minutes. */
export class StoredPublishKeys implements PublishKeys {
  readonly #sql: SqlStorage
  readonly #exists: boolean

  constructor(sql: SqlStorage, exists: boolean) {
    this.#sql = sql
    this.#exists = exists
  }

  find(key: string, now: number): KnownPlace | undefined {
    if (!this.#exists) return undefined
    return this.#sql
      .exec<{ offset: number; epoch: string }>(
        'SELECT offset, epoch FROM publish_keys WHERE key = ? AND until > ?',
        key,
        now,
      )
      .toArray()[0]
  }

  note(key: string, { offset, epoch }: KnownPlace, now: number): void {
    this.#sql.exec(
      `INSERT INTO publish_keys (key, offset, epoch, until) VALUES (?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET offset = excluded.offset, epoch = excluded.epoch, until = excluded.until`,
      key,
      offset,
      epoch,
      now + keptMs,
    )
  }

  /** Drops the expired keys. Returns when the next one expires. */
  expire(now: number): number | undefined {
    if (!this.#exists) return undefined
    this.#sql.exec('DELETE FROM publish_keys WHERE until <= ?', now)
    const next = this.#sql.exec('SELECT min(until) AS next FROM publish_keys').one()['next']
    return next === null ? undefined : Number(next)
  }
}
