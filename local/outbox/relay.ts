/** A row that is to be published; `event` is the JSON text of a plain event. */
export interface OutboxRow {
  readonly seq: string
  readonly topic: string
  readonly event: string
}

/** The answer to a publication: `refused` names what is wrong with one of the events, `later` asks to wait. */
export type Published =
  | { readonly kind: 'published' }
  | { readonly kind: 'refused'; readonly detail: string }
  | { readonly kind: 'later'; readonly waitMs: number }

/** What a relay works with. */
export interface OutboxPorts {
  /** The oldest rows that are to be published, in order; none of a key of which an earlier row failed. */
  read(limit: number): Promise<readonly OutboxRow[]>
  /** Publishes a JSON array of events to a topic. A repeat has no effect. */
  publish(topic: string, events: string): Promise<Published>
  markPublished(seqs: readonly string[]): Promise<void>
  markFailed(seq: string, error: string): Promise<void>
}

/** Events of one request, and the characters of their text: a body has at most 262,144 bytes. */
const maxEvents = 500
const maxChars = 80_000

/** What one step did. With `waitMs` the next one is to wait. */
export interface Relayed {
  readonly published: number
  readonly failed: number
  readonly waitMs: number
}

/**
 * Publishes the oldest rows of an outbox, those of each topic in their order, and marks them. Killed anywhere, the next step publishes
 * the same rows again under the same ids, which has no effect. A row that is refused is marked with the error; later rows of its key
 * wait until it is mended, others go on.
 */
export async function relayStep(ports: OutboxPorts): Promise<Relayed> {
  const byTopic = new Map<string, OutboxRow[]>()
  for (const row of await ports.read(maxEvents)) byTopic.set(row.topic, [...(byTopic.get(row.topic) ?? []), row])
  let [published, failed] = [0, 0]
  for (const [topic, rows] of byTopic)
    for (const part of partsOf(rows)) {
      const answer = await publishAll(ports, topic, part)
      published += answer.published
      failed += answer.failed
      if (answer.waitMs > 0) return { published, failed, waitMs: answer.waitMs }
      // What follows may be of the key of the row that failed: it is read again.
      if (answer.failed > 0) break
    }
  return { published, failed, waitMs: 0 }
}

async function publishAll(ports: OutboxPorts, topic: string, rows: readonly OutboxRow[]): Promise<Relayed> {
  const answer = await ports.publish(topic, `[${rows.map(({ event }) => event).join(',')}]`)
  if (answer.kind === 'later') return { published: 0, failed: 0, waitMs: answer.waitMs }
  if (answer.kind === 'published') {
    await ports.markPublished(rows.map(({ seq }) => seq))
    return { published: rows.length, failed: 0, waitMs: 0 }
  }
  const [first] = rows
  if (rows.length === 1 && first !== undefined) {
    await ports.markFailed(first.seq, answer.detail)
    return { published: 0, failed: 1, waitMs: 0 }
  }
  return await publishEach(ports, topic, rows)
}

/** One by one, up to the row that is refused. */
async function publishEach(ports: OutboxPorts, topic: string, rows: readonly OutboxRow[]): Promise<Relayed> {
  let published = 0
  for (const row of rows) {
    const one = await publishAll(ports, topic, [row])
    published += one.published
    if (one.failed > 0 || one.waitMs > 0) return { ...one, published }
  }
  return { published, failed: 0, waitMs: 0 }
}

function partsOf(rows: readonly OutboxRow[]): OutboxRow[][] {
  const parts: OutboxRow[][] = []
  let chars = Infinity
  for (const row of rows) {
    chars += row.event.length
    if (chars > maxChars) parts.push([])
    if (chars > maxChars) chars = row.event.length
    parts.at(-1)?.push(row)
  }
  return parts
}
