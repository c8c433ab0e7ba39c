import { describe, expect, test } from 'vitest'
import { commandBy, refused, TestRoom } from '../support/room.ts'

// A call whose answer was lost is made again, so the same amendment by the same hand is one entry.

/** Alice said something, as seq 1. */
function story() {
  const room = new TestRoom({ owner: 'owner', alice: 'member', bob: 'member' })
  room.say('alice', 'first')
  const edit = (text: string, user = 'alice', server = false) =>
    room.run('message.edit', { user, server }, { seq: 1, text })
  const remove = (user = 'alice') => room.run('message.delete', { user }, { seq: 1 })
  return { room, edit, remove }
}

describe('an edit that comes again', () => {
  test('is the one that stands already, and no subscriber is told twice', () => {
    const { room, edit } = story()
    expect(edit('second')).toEqual({ seq: 2, at: 1000 })
    room.now = 2000
    expect(edit('second')).toEqual({ seq: 2, at: 1000 })
    const again = room.turn(commandBy('message.edit', { user: 'alice', client: 'desk' }, { seq: 1, text: 'second' }))
    expect(again.publications).toEqual([])
    expect(room.log.top()).toBe(2)
    expect(room.log.confirmed).toBe(2)
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
    const { room, edit } = story()
    edit('second')
    room.log.held = 3
    expect(edit('second')).toMatchObject({ seq: 3 })
  })

  test('is refused where the first would be by now', () => {
    const { room, edit } = story()
    edit('second')
    room.members.remove('alice')
    expect(edit('second')).toMatchObject(refused('notFound'))
  })
})

describe('a deletion that comes again', () => {
  test('is the one that stands already, also over another connection', () => {
    const { room, edit, remove } = story()
    edit('second')
    expect(remove()).toEqual({ seq: 3, at: 1000 })
    room.now = 2000
    expect(remove()).toEqual({ seq: 3, at: 1000 })
    const again = room.turn(commandBy('message.delete', { user: 'alice', client: 'desk' }, { seq: 1 }))
    expect(again.publications).toEqual([])
    expect(room.log.top()).toBe(3)
  })

  test('is for who deleted it: to others the message is gone', () => {
    const { edit, remove } = story()
    expect(remove('owner')).toMatchObject({ seq: 2 })
    expect(remove('owner')).toMatchObject({ seq: 2 })
    for (const user of ['alice', 'bob']) expect(remove(user)).toMatchObject(refused('notFound'))
    expect(edit('second')).toMatchObject(refused('notFound'))
  })
})
