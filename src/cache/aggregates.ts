import { Cache, type CachePorts } from './cache.ts'
import { usual } from './options.ts'

/** What was found on all shards, as JSON text. */
export interface Found {
  readonly json: string
  /** Whether every shard answered. */
  readonly isWhole: boolean
}

/** An answer and when its question began, in milliseconds since the epoch. */
export interface Aggregate extends Found {
  readonly asOf: number
}

/** How long an answer is given again. */
export const aggregateMs = 3_600_000
/** How long a caller waits for what another asks: longer than all shards together may take. */
const waitMs = 6000

/**
 * Answers to operators' questions that all shards have to be asked, each kept for an hour. Held by one actor: callers that ask the
 * same at the same time, from whatever process, share one question. An answer that lacks a shard is given to them and not kept.
 */
export class Aggregates {
  readonly #cache = new Cache<Aggregate>({
    ...usual,
    name: 'aggregate',
    tags: () => [],
    ttlMs: aggregateMs,
    jitter: 0,
    // The question can be asked only while a caller waits for it.
    staleMs: 0,
    beta: 0,
    maxBytes: 2_000_000,
    waitMs,
    sizeOf: ({ json }) => 2 * json.length,
    isKept: ({ isWhole }) => isWhole,
  })
  readonly #ports: CachePorts

  constructor(ports: CachePorts) {
    this.#ports = ports
  }

  /** The answer kept under `key`; with `isFresh`, or without one, what `ask` finds now. */
  async get(key: string, isFresh: boolean, ask: () => Promise<Found>): Promise<Aggregate> {
    const load = async () => {
      const asOf = this.#ports.now()
      return { ...(await ask()), asOf }
    }
    const found = isFresh
      ? await this.#cache.refresh(key, load, this.#ports)
      : await this.#cache.read(key, load, this.#ports)
    if (found === undefined) throw new Error('the shards gave no answer')
    return found
  }
}
