import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SqlConsumerStore } from '../../durable-objects/event-consumer/sql-consumer-store.ts'
import { eventConsumerSchema } from '../../durable-objects/event-consumer/schema.ts'
import { internalEvents, InternalEvents } from '../../src/events/internal-events.ts'
import { decodePage } from '../../src/history/page-text.ts'
import { NodeSql } from '../jobs/support/node-sql.ts'

/** The kinds as a later release may have them: a user became an object, and then got a region. */
const later = new InternalEvents({
  'conversation.entry': {
    version: 3,
    holds: 'an entry',
    upcasters: {
      2: ({ user, ...rest }) => ({ ...rest, author: { id: user } }),
      3: ({ author, ...rest }) => ({
        ...rest,
        author: { ...(typeof author === 'object' ? author : {}), region: 'eu' },
      }),
    },
  },
  'conversation.activity': { version: 2, holds: 'an activity', upcasters: { 2: (one) => ({ ...one, pinned: 0 }) } },
})

const old = '{"type":"message","user":"alice","text":"hello"}'
const now = { type: 'message', text: 'hello', author: { id: 'alice', region: 'eu' } }

describe('an event between contexts', () => {
  test('that was stored before there were versions is read as version 1', () => {
    expect(JSON.parse(later.readText('conversation.entry', old))).toEqual(now)
    expect(later.read('conversation.activity', { last: 4 })).toEqual({ last: 4, pinned: 0, v: 2 })
  })

  test('of version 2 goes through the upcasters above it only, and one that is newer is taken as it is', () => {
    const second = '{"v":2,"type":"message","text":"hello","author":{"id":"alice"}}'
    expect(JSON.parse(later.readText('conversation.entry', second))).toEqual(now)
    expect(later.readText('conversation.entry', '{"v":9,"type":"message"}')).toBe('{"type":"message"}')
    const newer = { last: 4, v: 7 }
    expect(later.read('conversation.activity', newer)).toBe(newer)
  })

  test('is marked with its version when it is stored, and read back as it was given, without being parsed', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((name) => name !== 'v'),
          fc.jsonValue(),
          { minKeys: 1 },
        ),
        (value) => {
          const text = JSON.stringify(value)
          const stored = later.writeText('conversation.entry', text)
          expect(stored.startsWith('{"v":3,')).toBe(true)
          expect(later.writeText('conversation.entry', stored)).toBe(stored)
          expect(later.readText('conversation.entry', stored)).toBe(text)
        },
      ),
    )
  })

  test('of version 1 costs nothing: neither its text nor its object is touched', () => {
    const activity = { last: 4 }
    expect(internalEvents.texts('conversation.entry')).toBeUndefined()
    expect(internalEvents.writeText('topic.event', old)).toBe(old)
    expect(internalEvents.read('conversation.activity', activity)).toBe(activity)
  })

  test('needs an upcaster to each version above the first, and no other', () => {
    const kind = (version: number, upcasters: object) => () =>
      new InternalEvents({ entry: { version, holds: '', upcasters: { ...upcasters } } })
    expect(kind(2, {})).toThrow('entry: version 2 needs upcasters to 2')
    expect(kind(3, { 2: (one: object) => one })).toThrow('needs upcasters to 2, 3')
    expect(kind(1, { 2: (one: object) => one })).toThrow('needs upcasters to none')
  })
})

describe('the stored form', () => {
  const texts = later.texts('conversation.entry')

  test('a page of old history has entries of several versions, and is read in the newest', () => {
    const page = [
      `1\t"alice"\t""\t${old}`,
      `2\t"alice"\t""\t${later.writeText('conversation.entry', JSON.stringify(now))}`,
    ]
    const entries = decodePage(page.join('\n'), { first: 1, last: 2 }, texts) ?? []
    expect(entries.map(({ data }) => JSON.parse(data))).toEqual([now, now])
    expect(decodePage(page[0] ?? '', { first: 1, last: 1 })?.[0]?.data).toBe(old)
  })

  test('a consumer reads the retries and dead letters that the version before stored', () => {
    const sql = new NodeSql(eventConsumerSchema)
    const event = {
      offset: 1,
      at: 1,
      source: '/s',
      id: '1',
      type: 'a',
      key: null,
      version: 1,
      data: '1',
      attributes: {},
    }
    sql.exec("INSERT INTO dead VALUES (1, ?, 1, 'x', 5)", JSON.stringify(event))
    expect(new SqlConsumerStore(sql).deadAfter(0, 10)).toMatchObject([{ event, reason: 'x' }])
  })
})

test('docs/design/communication.md lists every kind with its version', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/design/communication.md'), 'utf8')
  const listed = [...page.matchAll(/^\| `([\w.]+)` \| (\d+) \| (.+) \|$/gm)].map(([, kind, version, holds]) => [
    kind,
    Number(version),
    holds,
  ])
  const kinds = Object.entries(internalEvents.kinds).map(([kind, { version, holds }]) => [kind, version, holds])
  expect(listed).toEqual(kinds)
})
