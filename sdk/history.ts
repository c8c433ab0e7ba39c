import type { HistoryOptions } from 'centrifuge'
import type { Connection } from './connection.ts'
import { readEntry } from './entries.ts'
import { wireFailure } from './failure.ts'
import { pause } from './pause.ts'
import type { Placed } from './timeline.ts'

const pageSize = 60
const longestPage = 300

/** Pages of what was said before. Throws ParleyError; being too fast is waited out here. */
export class History {
  readonly #connection: Connection
  readonly #channel: string
  /** Nothing lies before this seq, as an empty page has shown. */
  #floor = 1

  constructor(connection: Connection, channel: string) {
    this.#connection = connection
    this.#channel = channel
  }

  /** True when there may be more before `oldest`; 0 stands for an empty timeline. */
  hasOlder(oldest: number): boolean {
    return oldest > this.#floor
  }

  /** The last page. */
  newest(): Promise<readonly Placed[]> {
    this.#floor = 1
    return this.#page({ limit: pageSize, reverse: true })
  }

  /** The page that ends just before `seq`. */
  async before(seq: number, epoch: string): Promise<readonly Placed[]> {
    if (!this.hasOlder(seq)) return []
    const page = await this.#page({ limit: pageSize, reverse: true, since: { offset: seq, epoch } })
    if (page.length === 0) this.#floor = seq
    return page
  }

  /** What lies between two seqs, at least its beginning. */
  between(after: number, before: number, epoch: string): Promise<readonly Placed[]> {
    return this.#page({ limit: Math.min(before - after - 1, longestPage), since: { offset: after, epoch } })
  }

  async #page(options: HistoryOptions): Promise<readonly Placed[]> {
    try {
      const { publications } = await this.#connection.client.history(this.#channel, options)
      return publications.map(({ offset = 0, data, info }) => ({ seq: offset, entry: readEntry(data, info?.user) }))
    } catch (thrown) {
      const failure = wireFailure(thrown)
      if (failure.kind !== 'tooFast') throw failure
      await pause(failure.retryAfterMs ?? 1000)
      return this.#page(options)
    }
  }
}
