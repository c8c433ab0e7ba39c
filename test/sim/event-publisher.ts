import { relayStep, type OutboxPorts, type Published } from '../../local/outbox/relay.ts'
import type { NewEvent } from '../../src/events/log-event.ts'
import { newestVersion, orderType, topicName } from './event-truth.ts'
import { stub } from './namespace.ts'
import { tenant } from './neighbours.ts'
import type { Platform } from './platform.ts'

/** A new event with a key of its own source, in whatever version its publisher still writes. */
export function newEvent({ chance }: Platform, source: string, n: number): NewEvent {
  const isOrder = chance.happens(0.7)
  const written = isOrder ? 1 + chance.below(newestVersion) : 1
  const key = chance.happens(0.8) ? `${source}-${chance.below(3)}` : null
  const data = JSON.stringify({ n, written, path: [`v${written}`] })
  const type = isOrder ? orderType : 'noise.heard'
  return { source, id: `${source}-${n}`, type, key, version: written, data, attributes: {} }
}

const append = async (world: Platform, events: readonly NewEvent[]): Promise<void> => {
  await stub(world, 'EventLog', `${tenant}/${topicName}`)['append']?.(events)
}

/** A server that publishes its events in order, some together, and repeats each request until it is answered. */
export class Publisher {
  readonly source: string
  /** Ids in the order in which they were accepted. */
  readonly accepted: string[] = []
  readonly #world: Platform
  #waiting: NewEvent[] = []
  #isRunning = false
  #count = 0

  constructor(world: Platform, source: string) {
    this.#world = world
    this.source = source
  }

  get isSettled(): boolean {
    return this.#waiting.length === 0
  }

  publish(): void {
    this.#waiting.push(newEvent(this.#world, this.source, this.#count++))
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiting.length > 0) {
      const events = this.#waiting.slice(0, 5)
      try {
        await append(this.#world, events)
        this.accepted.push(...events.map(({ id }) => id))
        this.#waiting = this.#waiting.slice(events.length)
      } catch {
        await pause(this.#world, this.#world.chance.between(50, 500))
      }
    }
    this.#isRunning = false
  }
}

interface OutboxRow {
  readonly seq: number
  readonly event: NewEvent
  isPublished: boolean
}

/** The outbox of a customer with its relay, which may be killed before and after each of its statements and requests. */
export class OutboxRelay {
  readonly source = '/outbox'
  deaths = 0
  /** Probability of a kill at each boundary. */
  dies = 0
  readonly #world: Platform
  readonly #rows: OutboxRow[] = []
  #life = 0

  constructor(world: Platform) {
    this.#world = world
  }

  get isSettled(): boolean {
    return this.#rows.every(({ isPublished }) => isPublished)
  }

  /** Ids in the order of their rows. */
  get accepted(): string[] {
    return this.#rows.map(({ event }) => event.id)
  }

  write(): void {
    const seq = this.#rows.length
    this.#rows.push({ seq, event: newEvent(this.#world, this.source, seq), isPublished: false })
  }

  start(): void {
    void this.#run(++this.#life)
  }

  kill(): void {
    this.deaths++
    this.start()
  }

  async #run(life: number): Promise<void> {
    const ports = this.#ports(life)
    while (life === this.#life) {
      const { waitMs } = await relayStep(ports)
      await pause(this.#world, Math.max(waitMs, 300))
    }
  }

  #ports(life: number): OutboxPorts {
    const boundary = async () => {
      await pause(this.#world, this.#world.latency())
      if (life === this.#life && this.#world.chance.happens(this.dies)) this.kill()
      if (life !== this.#life) await new Promise<never>(() => undefined)
    }
    const around = async <T>(work: () => T): Promise<Awaited<T>> => {
      await boundary()
      const result = await work()
      await boundary()
      return result
    }
    const mark = (seqs: readonly string[]) => {
      for (const row of this.#rows) if (seqs.includes(String(row.seq))) row.isPublished = true
    }
    return {
      read: (limit) =>
        around(() =>
          this.#rows
            .filter(({ isPublished }) => !isPublished)
            .slice(0, limit)
            .map(({ seq, event }) => ({ seq: String(seq), topic: topicName, event: JSON.stringify(event) })),
        ),
      publish: (_topic, text) => around(() => this.#publish(text)),
      markPublished: (seqs) => around(() => mark(seqs)),
      markFailed: async (seq, error) => Promise.reject(new Error(`row ${seq} was refused: ${error}`)),
    }
  }

  async #publish(text: string): Promise<Published> {
    try {
      const events: NewEvent[] = JSON.parse(text)
      await append(this.#world, events)
      return { kind: 'published' }
    } catch {
      return { kind: 'later', waitMs: 500 }
    }
  }
}

const pause = (world: Platform, ms: number): Promise<void> => new Promise((over) => world.after(ms, over))
