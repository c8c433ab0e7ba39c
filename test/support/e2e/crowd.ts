import { setTimeout as pause } from 'node:timers/promises'
import type { PublicationContext } from 'centrifuge'
import { z } from 'zod'
import { checkHistory } from '../history-checks.ts'
import { History, type Entry } from '../history.ts'
import type { Violation } from '../history-checks.ts'
import { within } from '../../../src/kernel/retry.ts'
import { apiKey, call, makeGroup, Person, toHeard } from './people.ts'
import { Shards } from './shards.ts'
import type { System } from './system.ts'
import { until } from './until.ts'

const tenant = 'demo'

const listed = z.object({
  conversations: z.array(z.object({ id: z.string(), last: z.number(), read: z.number(), unread: z.number() })),
})

/** How a crowd is to behave. */
export interface CrowdOptions {
  /** Where its sockets go; straight to the system when it is not given. */
  readonly socketUrl?: string
  /** The average pause of a user between two messages. */
  readonly pauseMs?: number
  /** How long everything may take in the end to have come right. */
  readonly timeoutMs?: number
}

/** A message that its sender repeats until it is acknowledged. */
interface OpenMessage {
  readonly person: Person
  readonly conversation: string
  readonly clientId: string
  attempts: number
  /** What the last attempt ended with. */
  failure: unknown
}

function describeOpen({ person, conversation, clientId, attempts, failure }: OpenMessage): string {
  const state = person.client.getSubscription(`conversation:${conversation}`)?.state
  const reason = failure instanceof Error ? failure.message : JSON.stringify(failure)
  return `${clientId} in ${conversation} after ${attempts} attempts, the last ended with ${reason}, the client is ${person.client.state} and its subscription ${state}`
}

/**
 * People who talk in several conversations at once and do not give up: each sends its next message when the last one
 * was acknowledged, and the same again when no answer came. All they do and see is recorded.
 */
export class Crowd {
  readonly history = new History()
  readonly conversations: string[] = []
  readonly #system: System
  readonly #options: CrowdOptions
  readonly #people: Person[] = []
  readonly #work: Promise<void>[] = []
  /** Messages that no answer came for yet, by user and clientId. */
  readonly #open = new Map<string, OpenMessage>()
  #talking = true
  #hasGivenUp = false
  acknowledged = 0

  constructor(system: System, options: CrowdOptions = {}) {
    this.#system = system
    this.#options = options
  }

  get #patienceMs(): number {
    return this.#options.timeoutMs ?? 90_000
  }

  /** Every user is a member of every conversation, and subscribed to all of them. */
  async gather(names: readonly string[], conversations: number): Promise<void> {
    for (let n = 0; n < conversations; n++) this.conversations.push(await makeGroup(this.#system, names))
    for (const name of names) {
      const { socketUrl } = this.#options
      // Soon impatient, so that what got no answer is repeated often.
      const person = new Person(this.#system, name, { timeout: 5000, ...(socketUrl !== undefined && { socketUrl }) })
      this.#people.push(person)
      for (const conversation of this.conversations) this.#listen(person, conversation)
      await person.connect()
    }
  }

  /** Every user writes in every conversation from now on. */
  talk(): void {
    for (const person of this.#people)
      for (const conversation of this.conversations) this.#work.push(this.#write(person, conversation))
  }

  /** Lets messages under way finish. Fails, naming those that are not acknowledged in time. */
  async hush(): Promise<void> {
    this.#talking = false
    try {
      await within(this.#patienceMs, 'messages under way', Promise.all(this.#work))
    } catch (thrown) {
      const open = [...this.#open.values()].map(describeOpen)
      throw new Error(`not acknowledged: ${open.join('; ')}`, { cause: thrown })
    } finally {
      this.#hasGivenUp = true
    }
  }

  /** Waits until another `count` messages were acknowledged. */
  async hasSaid(count: number): Promise<void> {
    const goal = this.acknowledged + count
    await until(`${count} more messages are acknowledged`, () => this.acknowledged >= goal, 90_000)
  }

  /** Holds all that was seen against what Postgres ends up with, and history against the same. */
  async verdict(): Promise<Violation[]> {
    return (await this.verdictAndLog()).violations
  }

  /** The same with the log; what others have put there under clientIds of their own (`foreign`) counts as maybe sent. */
  async verdictAndLog(
    foreign: (clientId: string) => boolean = () => false,
  ): Promise<{ readonly violations: Violation[]; readonly log: readonly Entry[] }> {
    const tops = new Map<string, number>()
    for (const conversation of this.conversations) tops.set(conversation, await this.#readAll(conversation))
    await this.#heardAll(tops)
    await this.#countAll(tops)
    const log = await new Shards(this.#system).caughtUp(tops, this.#patienceMs)
    const others = log.filter(({ clientId }) => clientId !== null && foreign(clientId))
    const history = new History()
    for (const entry of others) history.invoke('others', { ...entry, clientId: entry.clientId ?? '' }, entry.body)
    const attempts = [...this.history.attempts, ...history.attempts]
    const { heard, reads, counts, left } = this.history
    return { violations: checkHistory({ attempts, heard, reads, counts, left }, log), log }
  }

  disperse(): void {
    this.#talking = false
    for (const person of this.#people) person.leave()
  }

  #listen(person: Person, conversation: string): void {
    const subscription = person.client.newSubscription(`conversation:${conversation}`, {
      minResubscribeDelay: 20,
      maxResubscribeDelay: 200,
    })
    subscription.on('subscribed', ({ streamPosition, recovered }) => {
      // A recovered subscription stands where it was; what it missed follows as publications.
      if (!recovered) this.history.joined(person.name, tenant, conversation, streamPosition?.offset ?? 0)
    })
    subscription.on('publication', (context) => {
      if (context.offset !== undefined && context.offset > 0)
        this.history.hear(person.name, toEntry(conversation, context))
    })
    subscription.subscribe()
  }

  async #write(person: Person, conversation: string): Promise<void> {
    let said = 0
    const { pauseMs = 0 } = this.#options
    while (this.#talking) {
      await this.#insist(person, conversation, `${person.name}-${++said}`)
      if (pauseMs > 0) await pause(Math.random() * 2 * pauseMs)
    }
  }

  /** Says one thing until it is acknowledged. */
  async #insist(person: Person, conversation: string, clientId: string): Promise<void> {
    const body = `${person.name} says ${clientId} in ${conversation}`
    const open: OpenMessage = { person, conversation, clientId, attempts: 0, failure: undefined }
    this.#open.set(`${conversation} ${clientId}`, open)
    while (!this.#hasGivenUp) {
      open.attempts++
      const pending = this.history.invoke(person.name, { tenant, conversation, user: person.name, clientId }, body)
      try {
        const { seq } = await person.send(conversation, clientId, body)
        pending.ok(seq)
        this.#open.delete(`${conversation} ${clientId}`)
        this.acknowledged++
        return
      } catch (thrown) {
        open.failure = thrown
        pending.unknown()
        await pause(20 + Math.random() * 50)
      }
    }
  }

  /** Pages through all of a conversation's history; returns its top. */
  async #readAll(conversation: string): Promise<number> {
    const [reader] = this.#people
    if (reader === undefined) throw new Error('no client is present')
    const channel = `conversation:${conversation}`
    let since = { offset: 0, epoch: '' }
    for (;;) {
      const { invokedAt, publications, offset, epoch } = await until(
        'a page of history is answered',
        async () => ({
          invokedAt: this.history.now(),
          ...(await reader.client.history(channel, { limit: 300, since })),
        }),
        this.#patienceMs,
      )
      this.history.read({
        session: reader.name,
        tenant,
        conversation,
        invokedAt,
        endedAt: this.history.now(),
        top: offset,
        entries: publications.map((publication) => toEntry(conversation, publication)),
      })
      since = { offset: publications.at(-1)?.offset ?? offset, epoch }
      if (since.offset >= offset) return offset
    }
  }

  async #heardAll(tops: ReadonlyMap<string, number>): Promise<void> {
    const heard = () => {
      const places = new Map<string, number>()
      for (const event of this.history.heard) {
        const place = event.kind === 'joined' ? { ...event, seq: event.after } : event.entry
        places.set(`${event.listener} ${place.conversation}`, place.seq)
      }
      return places
    }
    const isSo = () => {
      const places = heard()
      return this.#people.every(({ name }) =>
        [...tops].every(([conversation, top]) => (places.get(`${name} ${conversation}`) ?? 0) >= top),
      )
    }
    try {
      await until('every client has received everything', isSo, this.#patienceMs)
    } catch (thrown) {
      const places = heard()
      const behind = this.#people.flatMap(({ name, client }) =>
        [...tops].flatMap(([conversation, top]) => {
          const seq = places.get(`${name} ${conversation}`) ?? 0
          const state = client.getSubscription(`conversation:${conversation}`)?.state
          return seq >= top ? [] : [`${name} has ${seq} of ${top} in ${conversation}, ${client.state}, ${state}`]
        }),
      )
      throw new Error(`not received: ${behind.join('; ')}`, { cause: thrown })
    }
  }

  /** What every inbox says in the end, once it knows of the last message. */
  async #countAll(tops: ReadonlyMap<string, number>): Promise<void> {
    for (const { name } of this.#people) {
      const caughtUp = async () => {
        const path = `/v1/conversations?user=${name}&limit=100`
        const { body } = await within(20_000, path, call(this.#system, apiKey, 'GET', path))
        const { conversations } = listed.parse(body)
        const known = conversations.filter(({ id, last }) => tops.get(id) === last)
        return known.length === tops.size ? known : undefined
      }
      const counts = await until(`${name}'s inbox has caught up`, caughtUp, this.#patienceMs)
      for (const { id, last, read, unread } of counts)
        this.history.count({ tenant, user: name, conversation: id, last, read, unread })
    }
  }
}

function toEntry(conversation: string, publication: PublicationContext | Omit<PublicationContext, 'channel'>): Entry {
  const { seq, user, clientId, text, data } = toHeard(publication)
  return { tenant, conversation, seq, user, clientId, body: text === '' ? JSON.stringify(data) : text }
}
