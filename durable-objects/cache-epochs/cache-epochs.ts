import { DurableObject } from 'cloudflare:workers'
import { z } from 'zod'
import { EpochLog, type Invalidations, type Stamp } from '../../src/cache/epochs.ts'
import { RecentKeys } from '../../src/cache/recent-keys.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/id.ts'
import type { CacheEpochsRpc } from '../contracts.ts'

const storedId = z.string()
const storedFloor = z.number()

type Row = { seq: number; tag: string; at: number }

/**
 * Numbers the invalidations of cached values, for all processes of the deployment; see docs/design/caching.md. A process asks at
 * most once a second, and only while it has requests. There is one: the numbers of two could not be compared.
 */
export class CacheEpochs extends DurableObject<Env> implements CacheEpochsRpc {
  readonly #clock = systemClock
  readonly #sql = this.ctx.storage.sql
  readonly #log = this.#open()
  /** In memory only: what is forgotten with it is not warmed once. */
  readonly #recent = new RecentKeys()

  /** Invalidates all values with one of these tags that were loaded before. Returns what is new since `known`, this included. */
  invalidate(tags: readonly string[], known: Stamp | undefined): Invalidations {
    const now = this.#clock.now()
    const before = this.#log.floor
    for (const [seq, tag] of this.#log.invalidate(tags, now))
      this.#sql.exec('INSERT INTO invalidations (seq, tag, at) VALUES (?, ?, ?)', seq, tag, now)
    const { floor } = this.#log
    if (floor > before) {
      this.#sql.exec('DELETE FROM invalidations WHERE seq <= ?', floor)
      this.ctx.storage.kv.put('floor', floor)
    }
    return this.#log.since(known)
  }

  /** The invalidations that a process does not know yet. It names the keys that it `read` since it asked last. */
  since(known: Stamp | undefined, read: readonly string[] = []): Invalidations {
    if (read.length > 0) this.#recent.note(read, this.#clock.now())
    return this.#log.since(known)
  }

  /** The keys that processes read in the last five minutes, each once. */
  takeRecent(): string[] {
    return this.#recent.take(this.#clock.now())
  }

  #open(): EpochLog {
    const { kv } = this.ctx.storage
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS invalidations (seq INTEGER PRIMARY KEY, tag TEXT NOT NULL, at INTEGER NOT NULL)',
    )
    const known = storedId.safeParse(kv.get('id'))
    const id = known.success ? known.data : randomToken(12)
    if (!known.success) kv.put('id', id)
    const rows = this.#sql.exec<Row>('SELECT seq, tag, at FROM invalidations ORDER BY seq').toArray()
    const kept = rows.map(({ seq, tag, at }) => [seq, tag, at] as const)
    return new EpochLog(id, { kept, floor: storedFloor.catch(0).parse(kv.get('floor')) })
  }
}
