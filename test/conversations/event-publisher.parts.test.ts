import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EventPublisher } from '../../durable-objects/conversation/event-publisher.ts'
import { publishedEvents } from '../../src/conversations/published-events.ts'
import type { Conversation, LogRow, Member } from '../../src/conversations/types.ts'
import { append } from '../../src/event-log/append.ts'
import type { LogEvent, NewEvent } from '../../src/events/log-event.ts'

const lunch: Conversation = {
  tenant: 'acme',
  id: 'lunch',
  type: 'group',
  name: 'Lunch',
  epoch: 'e1',
  createdBy: 'alice',
  createdAt: 10,
  version: 1,
}
const members: readonly Member[] = ['alice', 'bob'].map((user) => ({
  user,
  role: 'member',
  joinedAt: 10,
  read: 0,
  joined: 0,
}))

/** A topic in memory. */
class Topic {
  readonly events: LogEvent[] = []

  get top(): number {
    return this.events.length
  }

  find(source: string, id: string): LogEvent | undefined {
    return this.events.find((event) => event.source === source && event.id === id)
  }

  insert(event: NewEvent, now: number): LogEvent {
    const stored = { ...event, offset: this.top + 1, at: now }
    this.events.push(stored)
    return stored
  }
}

/** A conversation that writes messages, its publisher, and the tenant's topic. */
class TestConversation {
  conversation = lunch
  rows: LogRow[] = []
  /** What becomes of the next calls of the topic. */
  readonly faults: ('lost' | 'unanswered')[] = []
  readonly #settings = new Map<string, string>()
  readonly #topic = new Topic()
  publisher!: EventPublisher

  constructor() {
    this.restart()
  }

  restart(): void {
    const log = {
      top: () => this.rows.length,
      floor: () => 1,
      range: (after: number, upTo: number, limit: number) => this.rows.slice(after, Math.min(upTo, after + limit)),
    }
    const table = { some: (limit: number) => members.slice(0, limit), count: () => members.length }
    const settings = {
      get: (name: string) => this.#settings.get(name),
      number: (name: string) => Number(this.#settings.get(name) ?? 0),
      set: (name: string, value: string | number) => void this.#settings.set(name, String(value)),
    }
    const take = async (_: string, events: readonly NewEvent[]) => this.#take(events)
    this.publisher = new EventPublisher(take, settings, log, table, { editsOf: () => [] })
  }

  write(
    at: number,
    entry: object = {
      type: 'message',
      id: `lunch.${this.rows.length + 1}`,
      user: 'alice',
      at,
      clientId: 'c',
      text: 'Hi',
    },
  ): void {
    const seq = this.rows.length + 1
    this.rows.push({ seq, at, user: 'alice', client: '', clientId: null, data: JSON.stringify(entry) })
  }

  /** Runs the task as the alarm does, until nothing is pending. */
  async publish(): Promise<void> {
    while (this.publisher.isPending(this.conversation)) {
      try {
        await this.publisher.run(() => this.conversation)
      } catch {
        this.restart()
      }
    }
  }

  published() {
    return this.#topic.events
  }

  #take(events: readonly NewEvent[]): void {
    const fault = this.faults.shift()
    if (fault !== 'lost' && append(this.#topic, events, 0, undefined, true).kind !== 'appended')
      throw new Error('refused')
    if (fault !== undefined) throw new Error(fault)
  }
}

describe('a conversation', () => {
  test('publishes each entry once and in order, whatever calls and answers are lost, and whenever it loses its memory', async () => {
    const steps = fc.array(
      fc.record({
        entries: fc.integer({ min: 0, max: 500 }),
        faults: fc.array(fc.constantFrom('lost', 'unanswered'), { maxLength: 3 }),
        restarts: fc.boolean(),
      }),
      { maxLength: 6 },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const chat = new TestConversation()
        chat.publisher.noteSince(chat.conversation, 5)
        for (const { entries, faults, restarts } of all) {
          for (let n = 0; n < entries; n++) chat.write(20)
          chat.faults.push(...faults)
          if (restarts) chat.restart()
          await chat.publish()
        }
        await chat.publish()
        expect(chat.published().map(({ id }) => id)).toEqual(['e1.created', ...chat.rows.map(({ seq }) => `e1.${seq}`)])
      }),
      { numRuns: 30 },
    )
  })

  test('begins with what was written after the first webhook was made, and asks for nothing before', async () => {
    const chat = new TestConversation()
    for (const at of [20, 30, 40, 50]) chat.write(at)
    expect([chat.publisher.isPending(lunch), chat.publisher.published]).toEqual([false, Infinity])
    chat.publisher.noteSince(lunch, 40)
    await chat.publish()
    expect(chat.published().map(({ id }) => id)).toEqual(['e1.3', 'e1.4'])
    // A shard writer that has lost what it knew changes nothing but the time.
    chat.publisher.noteSince(lunch)
    chat.write(60)
    expect(chat.publisher.isPending(lunch)).toBe(false)
    chat.publisher.noteSince(lunch, 40)
    await chat.publish()
    expect(chat.published().map(({ id }) => id)).toEqual(['e1.3', 'e1.4', 'e1.5'])
  })

  test('keeps the first text of a message that is deleted while its publication is repeated', async () => {
    const chat = new TestConversation()
    chat.publisher.noteSince(lunch, 15)
    chat.write(20)
    chat.faults.push('unanswered')
    await chat.publisher.run(() => lunch).catch(() => undefined)
    chat.rows[0] = {
      ...chat.rows[0]!,
      data: '{"type":"message","id":"lunch.1","user":"alice","at":20,"clientId":"c","text":"","deleted":true}',
    }
    chat.write(30, { type: 'message.deleted', user: 'alice', at: 30, ref: 1 })
    await chat.publish()
    expect(chat.published().map(({ type, data }) => [type, JSON.parse(data ?? '')])).toMatchObject([
      ['message.created', { conversation: 'lunch', seq: 1, message: { text: 'Hi' } }],
      ['message.deleted', { seq: 2, message: 'lunch.1', ref: 1 }],
    ])
  })

  test('publishes its deletion, also when another one begins under its id before that', async () => {
    const chat = new TestConversation()
    chat.publisher.noteSince(lunch, 5)
    await chat.publish()
    chat.conversation = { ...lunch, deletedAt: 70, version: 2 }
    expect(chat.publisher.isPending(chat.conversation)).toBe(true)
    const next = { ...lunch, epoch: 'e2', createdAt: 80, version: 3 }
    chat.publisher.begin(chat.conversation, next, 0)
    chat.conversation = next
    await chat.publish()
    expect(chat.published().map(({ id }) => id)).toEqual(['e1.created', 'e1.deleted', 'e2.created'])
  })

  test('publishes data that fits the schemas of the documentation', async () => {
    const chat = new TestConversation()
    chat.publisher.noteSince(lunch, 5)
    const by = { user: 'alice', at: 20 }
    chat.write(20)
    chat.write(20, { type: 'message.edited', ...by, ref: 1, text: 'Hello' })
    chat.write(20, { type: 'message.deleted', ...by, ref: 1 })
    chat.write(20, { type: 'reaction.added', ...by, ref: 1, reaction: '👍' })
    chat.write(20, { type: 'reaction.removed', ...by, ref: 1, reaction: '👍', member: 'alice' })
    chat.write(20, { type: 'pin.added', ...by, ref: 1, until: 90 })
    chat.write(20, { type: 'pin.removed', ...by, ref: 1 })
    chat.write(20, { type: 'member.joined', ...by, member: 'carol' })
    chat.write(20, { type: 'member.role', ...by, member: 'carol', role: 'admin' })
    chat.write(20, { type: 'member.left', ...by, member: 'carol' })
    chat.write(20, { type: 'conversation.renamed', ...by, name: 'Dinner' })
    await chat.publish()
    chat.conversation = { ...lunch, deletedAt: 90, version: 2 }
    await chat.publish()
    const published = chat.published()
    expect(published.map(({ type }) => type).toSorted()).toEqual(Object.keys(publishedEvents).toSorted())
    for (const { type, data, key, source } of published) {
      const [, { data: schema }] = Object.entries(publishedEvents).find(([name]) => name === type)!
      expect([type, schema.strict().safeParse(JSON.parse(data ?? '')).error]).toEqual([type, undefined])
      expect([key, source]).toEqual(['lunch', '/conversations/lunch'])
    }
  })
})
