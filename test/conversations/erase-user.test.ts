import { describe, expect, test } from 'vitest'
import { entryWithout, type StoredEntry } from '../../src/conversations/erase-user.ts'
import { shownWithout, type ErasedUser } from '../../src/events/erased-user.ts'

const erasing = (messages: ErasedUser['messages']): ErasedUser => ({ user: 'alice', pseudonym: 'erased-x', messages })
const entry = (user: string, data: object | string | null, clientId: string | null = null): StoredEntry => ({
  seq: 7,
  user,
  client: 'phone',
  clientId,
  data: data === null || typeof data === 'string' ? data : JSON.stringify(data),
})
const message = { type: 'message', id: 'c.7', user: 'alice', at: 1, clientId: 'alice-1', text: 'hello' }
const dataOf = (changed: StoredEntry | undefined): unknown => JSON.parse(changed?.data ?? 'null')

describe('an entry of a conversation with an erased user', () => {
  test('that the user wrote has the pseudonym as its author, no connection, and its number as clientId', () => {
    const changed = entryWithout(entry('alice', message, 'alice-1'), erasing('keep-anonymous'))
    expect(changed).toMatchObject({ user: 'erased-x', client: '', clientId: '7' })
    expect(dataOf(changed)).toEqual({ ...message, user: 'erased-x', clientId: '7' })
  })

  test('keeps what it carries as data exactly as it was given, where messages are kept', () => {
    const given = '{"big":12345678901234567890,"a" :1.0}'
    const text = `${JSON.stringify({ ...message, mentions: { users: ['alice', 'bob'] } }).slice(0, -1)},"data":${given}}`
    const changed = entryWithout(entry('alice', text, 'alice-1'), erasing('keep-anonymous'))
    expect(changed?.data?.endsWith(`"mentions":{"users":["erased-x","bob"]},"data":${given}}`)).toBe(true)
  })

  test('loses its content where messages are deleted', () => {
    const text = {
      ...message,
      attachments: [{ url: 'https://a.example' }],
      data: { x: 1 },
      mentions: { users: ['bob'] },
    }
    const changed = entryWithout(entry('alice', text, 'alice-1'), erasing('delete'))
    expect(dataOf(changed)).toEqual({
      type: 'message',
      id: 'c.7',
      user: 'erased-x',
      at: 1,
      clientId: '7',
      deleted: true,
    })
  })

  test.each([
    ['a mention', { type: 'message', user: 'bob', text: 'look', mentions: { users: ['carol', 'alice'] } }],
    ['a mention of before', { type: 'message', user: 'bob', text: 'look', mentions: ['alice'] }],
    ['a member that joined', { type: 'member.joined', user: 'bob', member: 'alice' }],
    ['a role', { type: 'member.role', user: '', member: 'alice', role: 'owner' }],
  ])('of another user loses the name only: %s', (_, data) => {
    const changed = entryWithout(entry('bob', data), erasing('delete'))
    expect(changed?.data).toBe(JSON.stringify(data).replaceAll('alice', 'erased-x'))
    expect(changed).toMatchObject({ user: 'bob', client: 'phone', clientId: null })
  })

  test.each([
    ['a text with the name', { type: 'message', user: 'bob', text: 'alice' }],
    ['data with the name', { type: 'message', user: 'bob', text: '', data: { for: 'alice' } }],
    ['nothing of the user', { type: 'message', user: 'bob', text: 'hello' }],
  ])('of another user stays as it is: %s', (_, data) => {
    expect(entryWithout(entry('bob', data), erasing('delete'))).toBeUndefined()
  })

  test('that edits a message of the user loses its text, also where another one edited it, and only there', () => {
    const edit = { type: 'message.edited', user: '', at: 2, ref: 3, text: 'hello, again' }
    expect(dataOf(entryWithout(entry('', edit), erasing('delete'), true))).toEqual({ ...edit, text: '', deleted: true })
    expect(entryWithout(entry('', edit), erasing('delete'), false)).toBeUndefined()
    expect(entryWithout(entry('', edit), erasing('keep-anonymous'), true)).toBeUndefined()
  })

  test('gets the pseudonym also where only another store has its content', () => {
    const changed = entryWithout(entry('alice', null, 'alice-1'), erasing('delete'))
    expect(changed).toMatchObject({ user: 'erased-x', clientId: '7', data: null })
  })

  test('is not changed by a second erasure', () => {
    for (const messages of ['delete', 'keep-anonymous'] as const) {
      const once = entryWithout(entry('alice', message, 'alice-1'), erasing(messages))
      if (once === undefined) throw new Error('nothing was changed')
      expect(entryWithout(once, erasing(messages), true)).toBeUndefined()
    }
  })
})

describe('the line of a conversation in a list', () => {
  const shown = { preview: { user: 'alice', text: 'hello' }, members: ['alice', 'bob'] }

  test('loses the preview or its author, and the member', () => {
    expect(shownWithout(shown, erasing('delete'))).toEqual({ preview: null, members: ['bob'] })
    const kept = { preview: { user: 'erased-x', text: 'hello' }, members: ['bob'] }
    expect(shownWithout(shown, erasing('keep-anonymous'))).toEqual(kept)
  })

  test('stays as it is where the user is not in it', () => {
    expect(
      shownWithout({ preview: { user: 'bob', text: 'alice' }, members: ['bob'] }, erasing('delete')),
    ).toBeUndefined()
  })
})
