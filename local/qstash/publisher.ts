import { createHash } from 'node:crypto'
import type { Clock } from './clock.ts'
import type { Destinations, Target } from './destinations.ts'
import { firstValue, type HeaderLists } from './header.ts'
import type { PublishOptions } from './model.ts'
import { readPublishOptions } from './options.ts'
import type { Post } from './post.ts'
import { checkName } from './refusal.ts'
import type { Store } from './store/store.ts'

/** A message published with the same key within this time of the first is not sent again. */
const DEDUPLICATION_WINDOW_MS = 10 * 60_000

/** A request to publish, as it came over the wire. */
export interface Publication {
  destination: string
  header: HeaderLists
  body: Uint8Array
  callerIp: string
  queue?: string | undefined
}

/** The answer to a publisher; `url` when the destination was a URL group. */
export interface Receipt {
  messageId: string
  deduplicated?: true
  url?: string
}

/** Accepts messages from publishers. */
export class Publisher {
  readonly #store: Store
  readonly #clock: Clock
  readonly #post: Post
  readonly #destinations: Destinations

  constructor(store: Store, clock: Clock, post: Post, destinations: Destinations) {
    this.#store = store
    this.#clock = clock
    this.#post = post
    this.#destinations = destinations
  }

  /** One receipt for a URL, a list of them for a URL group. Throws a Refusal, writing nothing. */
  publish(publication: Publication): Receipt | Receipt[] {
    const { destination, header, queue } = publication
    if (queue !== undefined) checkName('queue name', queue)
    const targets = this.#destinations.resolve(destination)
    const options = readPublishOptions(header, this.#destinations.checkUrl)

    return this.#store.atomically(() => {
      const receipts = targets.map((target) => this.#send(target, options, publication))
      const [only] = receipts
      return only !== undefined && targets[0]?.topicName === undefined ? only : receipts
    })
  }

  #send(target: Target, options: PublishOptions, publication: Publication): Receipt {
    const inGroup = target.topicName === undefined ? {} : { url: target.url }
    const key = deduplicationKey(publication, options, target)
    const known = key === undefined ? undefined : this.#store.deduplications.find(key, this.#clock.now())
    if (known !== undefined) return { messageId: known, deduplicated: true, ...inGroup }

    const { body, callerIp, queue } = publication
    const { id } = this.#post.write({ ...target, options, body, callerIp, queue: queue ?? null })
    if (key !== undefined) this.#remember(key, id)
    return { messageId: id, ...inGroup }
  }

  #remember(key: string, id: string): void {
    this.#store.deduplications.remember(key, id, this.#clock.after(DEDUPLICATION_WINDOW_MS))
  }
}

/** What makes two publications the same one; undefined when the publisher does not care. */
function deduplicationKey(
  { destination, header, body }: Publication,
  options: PublishOptions,
  { topicName, url }: Target,
): string | undefined {
  const scope = topicName === undefined ? '' : url
  const id = firstValue(header, 'Upstash-Deduplication-Id')
  if (id !== undefined) return `id:${id} ${scope}`

  const byContent = firstValue(header, 'Upstash-Content-Based-Deduplication')?.toLowerCase() === 'true'
  return byContent ? `content:${contentHash(destination, options.header, body)} ${scope}` : undefined
}

/** The documented fields: destination, body, `Content-Type` and the forwarded headers. */
function contentHash(destination: string, header: HeaderLists, body: Uint8Array): string {
  const names = Object.entries(header).sort(([left], [right]) => left.localeCompare(right))
  return createHash('sha256')
    .update(JSON.stringify([destination, names]))
    .update(body)
    .digest('hex')
}
