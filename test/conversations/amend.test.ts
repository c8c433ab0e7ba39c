import { describe, expect, test } from 'vitest'
import { commandBy } from '../support/conversation-command.ts'
import { refused, TestConversation } from '../support/conversation.ts'

// A call whose answer was lost is made again, so the same amendment by the same hand is one entry.

/** Alice said something, as seq 1. */
function story() {
  const conversation = new TestConversation({ owner: 'owner', alice: 'member', bob: 'member' })
  conversation.say('alice', 'first')
  const edit = (text: string, user = 'alice', server = false) =>
    conversation.run('message.edit', { user, server }, { seq: 1, text })
  const remove = (user = 'alice') => conversation.run('message.delete', { user }, { seq: 1 })
  return { room: conversation, edit, remove }
}

describe('an edit that comes again', () => {
  test('is the one that stands already, and no subscriber is notified twice', () => {
    const { room: conversation, edit } = story()
    expect(edit('second')).toEqual({ seq: 2, at: 1000 })
    conversation.now = 2000
    expect(edit('second')).toEqual({ seq: 2, at: 1000 })
    const again = conversation.apply(
      commandBy('message.edit', { user: 'alice', client: 'desk' }, { seq: 1, text: 'second' }),
    )
    expect(again.publications).toEqual([])
    expect(conversation.log.top()).toBe(2)
    expect(conversation.log.confirmed).toBe(2)
  })

  test('is a new one once another came between, or when another user says the same', () => {
    const { edit } = story()
    expect(edit('second')).toMatchObject({ seq: 2 })
    expect(edit('third')).toMatchObject({ seq: 3 })
    expect(edit('second')).toMatchObject({ seq: 4 })
    expect(edit('second', '', true)).toMatchObject({ seq: 5 })
    expect(edit('second', '', true)).toMatchObject({ seq: 5 })
  })

  test('is a new one also when only Postgres has the first', () => {
    const { room: conversation, edit } = story()
    edit('second')
    conversation.log.held = 3
    expect(edit('second')).toMatchObject({ seq: 3 })
  })

  test('is refused where the first would be by now', () => {
    const { room: conversation, edit } = story()
    edit('second')
    conversation.members.remove('alice')
    expect(edit('second')).toMatchObject(refused('notFound'))
  })
})

describe('a deletion that comes again', () => {
  test('is the one that stands already, also over another connection', () => {
    const { room: conversation, edit, remove } = story()
    edit('second')
    expect(remove()).toEqual({ seq: 3, at: 1000 })
    conversation.now = 2000
    expect(remove()).toEqual({ seq: 3, at: 1000 })
    const again = conversation.apply(commandBy('message.delete', { user: 'alice', client: 'desk' }, { seq: 1 }))
    expect(again.publications).toEqual([])
    expect(conversation.log.top()).toBe(3)
  })

  test('is for the user that deleted it: to others the message is gone', () => {
    const { edit, remove } = story()
    expect(remove('owner')).toMatchObject({ seq: 2 })
    expect(remove('owner')).toMatchObject({ seq: 2 })
    for (const user of ['alice', 'bob']) expect(remove(user)).toMatchObject(refused('notFound'))
    expect(edit('second')).toMatchObject(refused('notFound'))
  })
})
