import { expect, test } from 'vitest'
import { listedStateNow } from '../../src/activity/read-state-now.ts'
import type { ConversationActivity, UserReadState } from '../../src/events/activity.ts'

const state = (last: number, read: number, unread: number): UserReadState => ({
  user: 'bob',
  last,
  number: last,
  read,
  unread,
  mentions: 0,
})

/** Ten messages of alice; the activity knows where these users stood. */
const activity = (...states: UserReadState[]): ConversationActivity => ({
  conversation: 'lunch',
  epoch: 'e1',
  type: 'group',
  version: 1,
  name: 'Lunch',
  members: [],
  memberCount: 2,
  last: 10,
  number: 10,
  at: 1,
  preview: null,
  states,
  statesAfter: 0,
  changes: [],
  changesAfter: 0,
})

test('a listed conversation has the counts that follow from the entry’s state, or from a newer one that was reported', () => {
  const entry = { last: 4, read: 4, state: state(4, 4, 0) }
  expect(listedStateNow(activity(), 'bob', entry)).toMatchObject({ last: 10, read: 4, unread: 6 })
  expect(listedStateNow(activity(state(8, 8, 0)), 'bob', entry)).toMatchObject({ last: 10, read: 8, unread: 2 })
})

test('an entry of an earlier version has the counts of a reported state, and none without: the conversation is asked', () => {
  const entry = { last: 4, read: 2 }
  expect(listedStateNow(activity(), 'bob', entry)).toBeUndefined()
  expect(listedStateNow(activity(state(8, 8, 0)), 'bob', entry)).toMatchObject({ last: 10, unread: 2 })
})

test('an activity that knows less than the entry has no counts for it: a cursor that moved or entries that came are not undone', () => {
  expect(listedStateNow(activity(state(8, 6, 2)), 'bob', { last: 8, read: 7 })).toBeUndefined()
  expect(listedStateNow(activity(state(8, 6, 2)), 'bob', { last: 12, read: 6 })).toBeUndefined()
})
