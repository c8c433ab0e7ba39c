import type { Publication } from '../../src/protocol/replies.ts'
import type { TopicRules } from '../../src/protocol/stream.ts'
import type { TopicLog } from '../../src/topics/ports.ts'
import type { Settings } from '../shared/settings.ts'

type Row = { offset: number; data: string; info: string | null; tags: string | null }

/** Entries beyond the size that may wait to be dropped, so that one statement drops many. */
const slack = 64

/**
 * The stored publications of a topic, in its own SQLite: the newest entries, as many and for as long as its rules say.
 */
export class StoredTopicLog implements TopicLog {
  readonly #sql: SqlStorage
  readonly #settings: Settings
  readonly #exists: boolean
  readonly #rules: () => TopicRules
  #lowest: number
  #top: number

  constructor(sql: SqlStorage, settings: Settings, exists: boolean, rules: () => TopicRules) {
    this.#sql = sql
    this.#settings = settings
    this.#exists = exists
    this.#rules = rules
    const kept = exists ? sql.exec('SELECT min(offset) AS low, max(offset) AS high FROM entries').one() : {}
    this.#top = Math.max(settings.number('top'), Number(kept['high'] ?? 0))
    this.#lowest = Number(kept['low'] ?? this.#top + 1)
  }

  top(): number {
    return this.#top
  }

  floor(now: number): number {
    const { historySize, historyTtlSeconds } = this.#rules()
    const bySize = Math.max(this.#lowest, this.#top - historySize + 1)
    if (!this.#exists || bySize > this.#top) return this.#top + 1
    const young = this.#sql
      .exec<{ offset: number }>(
        'SELECT offset FROM entries WHERE offset >= ? AND at > ? ORDER BY offset LIMIT 1',
        bySize,
        now - historyTtlSeconds * 1000,
      )
      .toArray()[0]
    return young?.offset ?? this.#top + 1
  }

  append(said: Omit<Publication, 'offset'>, now: number): Publication {
    const offset = this.#top + 1
    this.#sql.exec(
      'INSERT INTO entries (offset, at, data, info, tags) VALUES (?, ?, ?, ?, ?)',
      offset,
      now,
      said.data,
      said.info === undefined ? null : JSON.stringify(said.info),
      said.tags === undefined ? null : JSON.stringify(said.tags),
    )
    this.#top = offset
    if (offset - this.#lowest >= this.#rules().historySize + slack) this.#drop(offset - this.#rules().historySize)
    return { offset, ...said }
  }

  range(after: number, upTo: number, limit: number): Publication[] {
    if (!this.#exists || after >= upTo) return []
    return this.#sql
      .exec<Row>(
        'SELECT offset, data, info, tags FROM entries WHERE offset > ? AND offset <= ? ORDER BY offset LIMIT ?',
        after,
        upTo,
        limit,
      )
      .toArray()
      .map(toPublication)
  }

  /** Drops entries beyond age and size. Returns when the next one expires, undefined when none is left. */
  expire(now: number): number | undefined {
    if (!this.#exists) return undefined
    this.#drop(this.floor(now) - 1)
    const oldest = this.#sql.exec<{ at: number }>('SELECT at FROM entries ORDER BY offset LIMIT 1').toArray()[0]
    return oldest === undefined ? undefined : oldest.at + this.#rules().historyTtlSeconds * 1000
  }

  /** Deletes all entries; the counter of offsets stays. */
  clear(): void {
    if (this.#exists) this.#drop(this.#top)
  }

  #drop(upTo: number): void {
    if (upTo < this.#lowest) return
    this.#settings.set('top', this.#top)
    this.#sql.exec('DELETE FROM entries WHERE offset <= ?', upTo)
    this.#lowest = upTo + 1
  }
}

function toPublication({ offset, data, info, tags }: Row): Publication {
  return {
    offset,
    data,
    ...(info === null ? {} : { info: JSON.parse(info) }),
    ...(tags === null ? {} : { tags: JSON.parse(tags) }),
  }
}
