import { expect, test } from 'vitest'
import { editedIn, eventWithout, withoutContent } from '../../src/conversations/erased-events.ts'
import { createdEvent, eventOfEntry } from '../../src/conversations/published-events.ts'
import type { Conversation } from '../../src/conversations/types.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import type { LogEvent, NewEvent } from '../../src/events/log-event.ts'
import { notificationEventsOf } from '../../src/events/own-events.ts'

const erased: ErasedUser = { user: 'alice', pseudonym: 'erased-1', messages: 'delete' }
const secret = 'what only this user would write'
const lunch: Conversation = {
  id: 'lunch',
  tenant: 'acme',
  epoch: 'epoch001',
  type: 'group',
  name: 'Lunch',
  createdBy: 'alice',
  createdAt: 1,
  version: 1,
}

const inLog = (event: NewEvent | undefined, offset = 1): LogEvent => {
  if (event === undefined) throw new Error('the entry is not published')
  return { ...event, offset, at: 1 }
}
const ofEntry = (entry: object): LogEvent =>
  inLog(eventOfEntry(lunch, { seq: 7, at: 1, user: '', client: '', clientId: null, data: JSON.stringify(entry) }))

const message = { type: 'message', id: 'lunch:7', user: 'alice', at: 1, clientId: 'alice-1', text: secret }
const edit = { type: 'message.edited', user: 'alice', at: 1, ref: 7, text: secret }
const events = [
  ofEntry(message),
  ofEntry({ ...message, user: 'bob', clientId: 'b', text: 'look', mentions: { users: ['alice'] } }),
  ofEntry(edit),
  ofEntry({ type: 'message.deleted', user: 'alice', at: 1, ref: 7 }),
  ofEntry({ type: 'member.joined', user: '', at: 1, member: 'alice' }),
  ofEntry({ type: 'member.left', user: 'alice', at: 1, member: 'alice' }),
  ofEntry({ type: 'conversation.renamed', user: 'alice', at: 1, name: 'Dinner' }),
  inLog(createdEvent(lunch, ['alice', 'bob'], 2)),
  ...notificationEventsOf('3', [
    {
      n: 1,
      change: {
        event: 'read',
        changes: [
          { notification: 'n', user: 'alice', at: 1 },
          { notification: 'n', user: 'bob', at: 1 },
        ],
      },
    },
  ]).map((event) => inLog(event)),
]

test('an own event has nothing of an erased user, keeps its place and names, and stays so', () => {
  for (const event of events) {
    const without = eventWithout(event, erased)
    expect(JSON.stringify(without), event.type).not.toContain('alice')
    expect(JSON.stringify(without)).not.toContain(secret)
    const { offset, source, id, type } = event
    expect(without).toMatchObject({ offset, source, id, type })
    expect(eventWithout(without, erased)).toBe(without)
  }
})

test('an own event that does not name the user stays as it is', () => {
  const others = { ...erased, user: 'carol' }
  for (const event of events) expect(eventWithout(event, others)).toBe(event)
})

test('an edit by another of a message of the user loses its text, and that of another message keeps it', () => {
  const byServer = ofEntry({ ...edit, user: '' })
  expect(editedIn(byServer, erased)).toEqual({ id: 'epoch001.7', ref: 7 })
  expect(eventWithout(byServer, erased).data).toContain(secret)
  const without = eventWithout(byServer, erased, true)
  expect(without.data).not.toContain(secret)
  expect(editedIn(without, erased)).toBeUndefined()
})

test('texts stay under the pseudonym where messages are kept', () => {
  const kept = eventWithout(ofEntry(message), { ...erased, messages: 'keep-anonymous' })
  expect(kept.data).toContain(secret)
  expect(kept.data).not.toContain('alice')
})

test('the events of a deleted message and of its edits lose their content', () => {
  for (const event of [ofEntry(message), ofEntry(edit)]) {
    const without = withoutContent(event)
    expect(without.data).not.toContain(secret)
    expect(JSON.parse(without.data ?? '')).toMatchObject({ conversation: 'lunch', seq: 7 })
  }
  const joined = ofEntry({ type: 'member.joined', user: '', at: 1, member: 'bob' })
  expect(withoutContent(joined)).toBe(joined)
})
