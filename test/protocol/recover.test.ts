import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { historyWindow, pageBounds } from '../../src/protocol/history-window.ts'
import { decideRecovery, recover, type Recovering } from '../../src/protocol/recover.ts'

const stream = { epoch: 'e', top: 10, floor: 4 }

describe('recovering', () => {
  test.each([
    ['no position is a fresh start', undefined, { kind: 'fresh' }],
    ['the top needs nothing', { offset: 10, epoch: 'e' }, { kind: 'recovered', after: 10 }],
    ['the oldest place whose followers are held', { offset: 3, epoch: 'e' }, { kind: 'recovered', after: 3 }],
    ['one before that', { offset: 2, epoch: 'e' }, { kind: 'lost' }],
    ['any epoch', { offset: 9, epoch: '' }, { kind: 'recovered', after: 9 }],
    ['another epoch', { offset: 9, epoch: 'f' }, { kind: 'lost' }],
    ['a state the SDK threw away', { offset: 0, epoch: '_' }, { kind: 'lost' }],
    ['a place ahead of the stream', { offset: 11, epoch: 'e' }, { kind: 'lost' }],
  ])('%s', (_, since, expected) => {
    expect(decideRecovery(since, stream, 500)).toEqual(expected)
  })

  test('as many as fit are recovered, one more is not', () => {
    const long = { epoch: 'e', top: 600, floor: 1 }
    expect(decideRecovery({ offset: 100, epoch: 'e' }, long, 500)).toMatchObject({ kind: 'recovered' })
    expect(decideRecovery({ offset: 99, epoch: 'e' }, long, 500)).toEqual({ kind: 'lost' })
  })

  test('a subscriber that is answered "recovered" gets every entry after its position', () => {
    const position = fc.record({ offset: fc.nat(30), epoch: fc.constantFrom('e', 'f', '') })
    const streams = fc.record({ epoch: fc.constant('e'), top: fc.nat(30), floor: fc.integer({ min: 1, max: 31 }) })
    fc.assert(
      fc.property(position, streams, fc.nat(30), (since, known, cap) => {
        const recovery = decideRecovery(since, known, cap)
        if (recovery.kind !== 'recovered') return
        const due = Array.from({ length: known.top - since.offset }, (_, n) => since.offset + 1 + n)
        expect(due.every((seq) => seq >= known.floor)).toBe(true)
        expect(due.length).toBeLessThanOrEqual(cap)
        expect(since.epoch).not.toBe('f')
      }),
    )
  })
})

describe('subscribers that return in one call', () => {
  const since = (offset: number) => ({ offset, epoch: 'e' })
  const read = (after: number) => Array.from({ length: 10 - after }, (_, n) => ({ offset: after + n + 1, data: '{}' }))

  test('with the same position share one list, which is read and counted once', () => {
    const answer: Recovering = {}
    const reads: number[] = []
    const recovered = [4, 4, 6, 4].map((offset) =>
      recover(
        since(offset),
        stream,
        (after) => {
          reads.push(after)
          return read(after)
        },
        answer,
      ),
    )
    const [first, second, third, fourth] = recovered.map((one) => (one.kind === 'subscribed' ? one.publications : []))
    expect([second === first, fourth === first, third === first]).toEqual([true, true, false])
    expect(reads).toEqual([4, 6])
    expect(answer.recoveredChars).toBe(2 * (6 + 4))
  })

  test('receive what was stored between them in the same call', () => {
    const answer: Recovering = {}
    recover(since(4), stream, read, answer)
    const later = recover(
      since(4),
      { ...stream, top: 11 },
      (after) => [...read(after), { offset: 11, data: '{}' }],
      answer,
    )
    expect(later).toMatchObject({ kind: 'subscribed', top: 11 })
    expect(later.kind === 'subscribed' && later.publications.at(-1)?.offset).toBe(11)
  })
})

describe('pages of history', () => {
  test('are the nearest entries in the asked direction, however the query is put', () => {
    const query = fc.record({
      limit: fc.integer({ min: -1, max: 400 }),
      reverse: fc.boolean(),
      since: fc.option(fc.record({ offset: fc.nat(40), epoch: fc.constantFrom('', 'e') }), { nil: undefined }),
    })
    fc.assert(
      fc.property(query, fc.nat(35), ({ since, ...rest }, top) => {
        const read = historyWindow({ ...rest, ...(since && { since }) }, { epoch: 'e', top })
        if (read.kind === 'refused') {
          expect([rest.reverse, since?.offset]).toEqual([true, 0])
          return
        }
        const { first, last } = pageBounds(read.window)
        const page = Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n)

        const limit = rest.limit < 0 ? 300 : Math.min(rest.limit, 300)
        const all = Array.from({ length: top }, (_, n) => n + 1)
        const wanted = rest.reverse
          ? all.filter((seq) => since === undefined || seq < since.offset).slice(limit === 0 ? top : -limit)
          : all.filter((seq) => seq > (since?.offset ?? 0)).slice(0, limit)
        expect(page).toEqual(wanted)
      }),
    )
  })

  test('of another epoch are refused', () => {
    expect(historyWindow({ limit: 1, reverse: false, since: { offset: 1, epoch: 'f' } }, stream)).toMatchObject({
      error: 'unrecoverablePosition',
    })
  })
})
