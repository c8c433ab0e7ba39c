import type { MessageContent } from '../protocol/payloads.ts'
import { sizes } from '../protocol/limits.ts'
import type { EphemeralEvent } from '../protocol/stream.ts'

/** Between two publications of text, in milliseconds: what comes meanwhile leaves together. */
export const rollUpMs = 40
/** Between two writes of a text that grows, in milliseconds: a crash loses at most what came in this time. */
export const storeMs = 250
/** After this silence of its author a message is interrupted, in milliseconds. */
export const silenceMs = 30_000
/** A message grows for this long at most, in milliseconds. */
export const growsForMs = 3_600_000
/** How much the stored time of the author's last call may be late, in milliseconds. */
const callLateMs = 5000

/** The fields of a message beside its text and clientId. */
export type StreamingFields = Omit<MessageContent, 'text' | 'clientId'>

/** A message that its author is writing; see docs/design/streaming-messages.md. */
export interface StreamingMessage {
  readonly user: string
  readonly clientId: string
  /** Whether the tenant's server writes it. */
  readonly server: boolean
  /** The log it belongs to: a conversation may be created again under the same id. */
  readonly epoch: string
  readonly fields: StreamingFields
  readonly text: string
  readonly beganAt: number
  /** When its author called last, in milliseconds since the epoch. */
  readonly calledAt: number
}

/** Where streaming messages are kept and published. */
export interface StreamingPorts {
  /** What a place holds: JSON text, "" when it is free. */
  read(place: number): string
  write(place: number, text: string): void
  publish(events: readonly EphemeralEvent[]): void
  later(ms: number, run: () => void): void
  now(): number
}

interface Held {
  readonly place: number
  message: StreamingMessage
  /** How much of the text subscribers were sent, and how much is stored. */
  published: number
  stored: number
  storedAt: number
}

/** The messages of one conversation that grow now: publishes their text in roll-ups and stores it a few times a second. */
export class StreamingMessages {
  readonly #ports: StreamingPorts
  /** Undefined until they are read. */
  #held: Held[] | undefined
  #publishedAt = 0
  #hasTimer = false

  constructor(ports: StreamingPorts) {
    this.#ports = ports
  }

  /** Whether any is stored, also one of a log that has ended. */
  get isUsed(): boolean {
    if (this.#held !== undefined) return this.#held.length > 0
    return places.some((place) => this.#ports.read(place) !== '')
  }

  /** Those of a log, in the order in which they began. */
  of(epoch: string): readonly StreamingMessage[] {
    return this.#all()
      .map(({ message }) => message)
      .filter((message) => message.epoch === epoch)
  }

  /** When the first of them is to be ended because its author is silent; undefined when none grows. */
  endsAt(): number | undefined {
    const times = this.#all().map(({ message }) => endOf(message))
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** Those that are to be ended, also of a log that has ended. */
  overdue(now: number): readonly StreamingMessage[] {
    return this.#all().flatMap(({ message }) => (endOf(message) <= now ? [message] : []))
  }

  /** Begins one. False when there is no place for it. */
  begin(message: StreamingMessage): boolean {
    const held = this.#all()
    const place = places.find((each) => held.every((other) => other.place !== each))
    if (place === undefined) return false
    const begun = { place, message, published: 0, stored: 0, storedAt: message.beganAt }
    held.push(begun)
    this.#store(begun)
    this.#ports.publish([eventOf(message, 0)])
    return true
  }

  /** Adds text, which may be empty, at the end. */
  append(message: StreamingMessage, text: string): void {
    const held = this.#all().find((each) => each.message === message)
    if (held === undefined) return
    const now = this.#ports.now()
    held.message = { ...message, text: message.text + text, calledAt: now }
    if (text === '' && now - held.storedAt >= callLateMs) this.#store(held)
    this.#publishAndStore(now)
  }

  /** Ends one: its text is in the log now, or is dropped. */
  end({ user, clientId, epoch }: StreamingMessage, isDropped: boolean): void {
    const held = this.#all()
    const index = held.findIndex(({ message }) => isNamed(message, user, clientId) && message.epoch === epoch)
    const ended = held[index]
    if (ended === undefined) return
    held.splice(index, 1)
    this.#ports.write(ended.place, '')
    if (isDropped) this.#ports.publish([{ kind: 'pub', data: JSON.stringify({ type, user, clientId, ended: true }) }])
  }

  /** Drops those that name something as a JSON string, such as a user. Returns how many there were. */
  dropNaming(inJson: string): number {
    const dropped = this.#all().filter(({ message }) => JSON.stringify(message).includes(inJson))
    for (const { message } of dropped) this.end(message, true)
    return dropped.length
  }

  /** Drops all: the log has ended. */
  clear(): void {
    for (const { place } of this.#all().splice(0)) this.#ports.write(place, '')
  }

  #all(): Held[] {
    return (this.#held ??= places.flatMap((place) => {
      const text = this.#ports.read(place)
      if (text === '') return []
      const message: StreamingMessage = JSON.parse(text)
      const { length } = message.text
      return [{ place, message, published: length, stored: length, storedAt: message.calledAt }]
    })).sort((a, b) => a.message.beganAt - b.message.beganAt)
  }

  /** Publishes and stores what is due, and comes back for the rest. */
  #publishAndStore(now: number): void {
    const held = this.#all()
    const isDue = hasPassed(this.#publishedAt, rollUpMs, now)
    const grown = held.filter(({ message, published }) => message.text.length > published)
    if (grown.length > 0 && isDue) {
      this.#publishedAt = now
      const events = grown.map(({ message, published }) => eventOf(message, published))
      for (const each of grown) each.published = each.message.text.length
      this.#ports.publish(events)
    }
    for (const each of held)
      if (each.message.text.length > each.stored && hasPassed(each.storedAt, storeMs, now)) this.#store(each)
    this.#comeBack(held, now)
  }

  #comeBack(held: readonly Held[], now: number): void {
    const waits = held.flatMap(({ message: { text }, published, stored, storedAt }) => [
      ...(text.length > published ? [this.#publishedAt + rollUpMs - now] : []),
      ...(text.length > stored ? [storedAt + storeMs - now] : []),
    ])
    if (waits.length === 0 || this.#hasTimer) return
    this.#hasTimer = true
    this.#ports.later(Math.max(1, Math.min(...waits)), () => {
      this.#hasTimer = false
      this.#publishAndStore(this.#ports.now())
    })
  }

  #store(held: Held): void {
    held.stored = held.message.text.length
    held.storedAt = this.#ports.now()
    this.#ports.write(held.place, JSON.stringify(held.message))
  }
}

const places: readonly number[] = Array.from({ length: sizes.streamingMessages }, (_, place) => place)

const type = 'message.streaming'

/** Whether a message is that of an author and a clientId. */
export const isNamed = (message: StreamingMessage, user: string, clientId: string): boolean =>
  message.user === user && message.clientId === clientId

/** What subscribers receive: the text from an offset on; at the beginning also what it answers. */
function eventOf({ user, clientId, beganAt, fields, text }: StreamingMessage, offset: number): EphemeralEvent {
  const event = { type, user, clientId, at: beganAt, offset, text: text.slice(offset) }
  return { kind: 'pub', data: JSON.stringify(offset === 0 ? { ...event, ...shownFields(fields) } : event) }
}

/** The fields that say where a message belongs, which clients show before it has ended. */
export const shownFields = ({ replyTo, thread }: StreamingFields) => ({
  ...(replyTo === undefined ? {} : { replyTo }),
  ...(thread === undefined ? {} : { thread }),
})

const endOf = ({ beganAt, calledAt }: StreamingMessage): number => Math.min(calledAt + silenceMs, beganAt + growsForMs)

/** Whether so much time has passed, or the clock was set back. */
const hasPassed = (since: number, ms: number, now: number): boolean => now - since >= ms || now < since
