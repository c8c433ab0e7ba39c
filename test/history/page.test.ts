import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tombstone, tombstoneOfEdit } from '../../src/events/tombstone.ts'
import { encodeViews, withoutDeleted } from '../../src/history/amend.ts'
import { coldPageSize, completePage, pagesOf } from '../../src/history/page.ts'
import type { Publication } from '../../src/protocol/replies.ts'

const message = (offset: number, text = `message ${offset}`): Publication => ({
  offset,
  data: JSON.stringify({
    type: 'message',
    id: `lunch.${offset}`,
    user: 'alice',
    at: offset,
    clientId: `c${offset}`,
    text,
  }),
  info: { user: 'alice', client: '' },
})
const messages = (first: number, last: number) =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => message(first + n))

describe('a page', () => {
  test('takes what lies behind the actor and puts it where it belongs', async () => {
    const cold = async ({ first, last }: { first: number; last: number }) => messages(first, last)
    const missing = { first: 2, last: 4 }
    const forward = await completePage({ publications: messages(5, 6), missing }, false, cold)
    expect(forward.map(({ offset }) => offset)).toEqual([2, 3, 4, 5, 6])
    const backward = await completePage({ publications: messages(5, 6).toReversed(), missing }, true, cold)
    expect(backward.map(({ offset }) => offset)).toEqual([6, 5, 4, 3, 2])
  })

  test('that lacks nothing asks no other store', async () => {
    const nobody = () => Promise.reject(new Error('asked'))
    expect(await completePage({ publications: messages(1, 2) }, false, nobody)).toHaveLength(2)
  })

  test('lies in the cached pages that hold its seqs, and in no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.nat(400), (first, length) => {
        const holding = new Set(
          Array.from({ length: length + 1 }, (_, n) => Math.floor((first + n - 1) / coldPageSize)),
        )
        expect(pagesOf({ first, last: first + length })).toEqual([...holding])
      }),
    )
  })
})

describe('the state of amended messages', () => {
  test('shows: edits are applied, deleted ones have no words', () => {
    const views = encodeViews(messages(1, 3), [
      { ref: 1, at: 10, text: 'better' },
      { ref: 3, at: 11, text: null },
    ])
    expect(JSON.parse(views)).toMatchObject([
      { seq: 1, text: 'better', editedAt: 10 },
      { seq: 2, text: 'message 2' },
      { seq: 3, deleted: true },
    ])
    expect(views).not.toContain('message 3')
  })

  test('names who did it, also where only the envelope says so', () => {
    const joined = {
      offset: 2,
      data: '{"type":"member.joined","member":"bob","at":2}',
      info: { user: 'alice', client: '' },
    }
    expect(JSON.parse(encodeViews([message(1), joined, message(3)], []))).toEqual([
      { seq: 1, ...JSON.parse(message(1).data) },
      { seq: 2, type: 'member.joined', member: 'bob', at: 2, user: 'alice' },
      { seq: 3, ...JSON.parse(message(3).data) },
    ])
    expect(encodeViews([], [])).toBe('[]')
  })

  test('holds for copies too: the words go wherever the page came from', () => {
    const page = withoutDeleted(messages(1, 2), [
      { ref: 1, at: 10, text: null },
      { ref: 2, at: 10, text: 'edited' },
    ])
    expect(page.map(({ data }) => JSON.parse(data).text)).toEqual([undefined, 'message 2'])
  })

  test('leaves of a deleted message its place, author and time, and of its edits no words', () => {
    expect(JSON.parse(tombstone(message(4, 'secret').data))).toEqual({
      type: 'message',
      id: 'lunch.4',
      user: 'alice',
      at: 4,
      clientId: 'c4',
      deleted: true,
    })
    const edit = JSON.stringify({ type: 'message.edited', user: 'alice', at: 5, ref: 4, text: 'secret' })
    expect(JSON.parse(tombstoneOfEdit(edit))).toEqual({
      type: 'message.edited',
      user: 'alice',
      at: 5,
      ref: 4,
      text: '',
      deleted: true,
    })
  })
})
