import { describe, expect, test } from 'vitest'
import {
  afterFailure,
  afterPart,
  nextPart,
  requested,
  settleMs,
  standOf,
  userErasure,
  type UserErasure,
} from '../../src/tenants/user-erasure.ts'

const plan = { conversations: ['a', 'b'], own: ['c', 'a'] }
const begun = () => requested({ run: 'r', messages: 'delete', pseudonym: 'erased-x' }, 0)

/** Goes through an erasure in which the stores find what `found` says, a number for each visit; returns the visits and the end. */
function play(found: Readonly<Record<string, readonly number[]>>): { visits: string[]; end: UserErasure; now: number } {
  let erasure = begun()
  let now = settleMs
  const visits: string[] = []
  const seen = new Map<string, number>()
  for (let parts = 0; erasure.phase !== 'erased'; parts++) {
    if (parts > 100) throw new Error('it does not end')
    const due = nextPart(erasure, plan, now)
    if (due === undefined) {
      now = erasure.nextAt
      continue
    }
    const key = `${erasure.stage} ${due.store}`
    const visit = seen.get(key) ?? 0
    seen.set(key, visit + 1)
    visits.push(key)
    const erased = found[key]?.[visit] ?? 0
    erasure = userErasure.parse(afterPart(erasure, plan, { store: due.store, erased, next: null }, now))
  }
  return { visits, end: erasure, now }
}

describe('the erasure of a user', () => {
  test('changes nothing until calls that were admitted before have ended', () => {
    expect(nextPart(begun(), plan, settleMs - 1)).toBeUndefined()
    expect(nextPart(begun(), plan, settleMs)).toEqual({ store: 'a', cursor: '' })
    expect(standOf(begun(), 'settle', settleMs - 1)).toMatchObject({ kind: 'unfinished', inMs: 1 })
    expect(standOf(begun(), 'settle', settleMs)).toEqual({ kind: 'done' })
  })

  test('goes through the stores of a stage again until a whole round has found nothing, and only then to the next stage', () => {
    const { visits, end } = play({ 'conversations b': [3, 0, 0] })
    const round = ['conversations a', 'conversations b']
    expect(visits).toEqual([...round, ...round, 'own c', 'own a'])
    expect(end.stores).toEqual({ a: { erased: 0, left: 0 }, b: { erased: 3, left: 0 }, c: { erased: 0, left: 0 } })
  })

  test('finds what came late in a later round, and says how much was left', () => {
    const { end } = play({ 'conversations a': [1, 0, 0], 'conversations b': [0, 2, 0] })
    expect(end.stores).toMatchObject({ a: { erased: 1, left: 0 }, b: { erased: 2, left: 0 } })
  })

  test('forgets the pseudonym when it ends', () => {
    expect(play({ 'own c': [1] }).end).toMatchObject({ phase: 'erased', pseudonym: '', failure: null })
  })

  test('goes on where it was after each part', () => {
    const half = afterPart(begun(), plan, { store: 'a', erased: 5, next: '17' }, settleMs)
    expect(nextPart(half, plan, settleMs)).toEqual({ store: 'a', cursor: '17' })
    const whole = afterPart(half, plan, { store: 'a', erased: 2, next: null }, settleMs)
    expect(whole.stores['a']).toEqual({ erased: 7, left: 7 })
    expect(nextPart(whole, plan, settleMs)).toEqual({ store: 'b', cursor: '' })
  })

  test('repeats a part that failed after a pause, and says why meanwhile', () => {
    const failed = afterFailure(begun(), 'a: no answer', settleMs, 0.5)
    expect(nextPart(failed, plan, settleMs)).toBeUndefined()
    expect(standOf(failed, 'conversations', settleMs)).toMatchObject({ kind: 'unfinished', detail: 'a: no answer' })
    expect(nextPart(failed, plan, failed.nextAt)).toEqual({ store: 'a', cursor: '' })
    const after = afterPart(failed, plan, { store: 'a', erased: 0, next: null }, failed.nextAt)
    expect(after).toMatchObject({ failure: null, failures: 0 })
  })

  test('begins the stage anew where a version does not have the store that was under way', () => {
    const half = { ...begun(), phase: 'erasing', store: 'gone', cursor: '5' } as const
    expect(nextPart(half, plan, settleMs)).toEqual({ store: 'a', cursor: '' })
  })
})
