import { describe, expect, test } from 'vitest'
import { isTooSlow } from '../../src/realtime/slow-reader.ts'

const mebibyte = 1_048_576

/** A reader who takes nothing: how much was given to it before it was sent away. */
function givenTo(frames: readonly number[]): { readonly given: number; readonly sentAway: boolean } {
  const reader = { burst: 0 }
  let given = 0
  for (const bytes of frames) {
    if (isTooSlow(reader, given, bytes)) return { given, sentAway: true }
    given += bytes
  }
  return { given, sentAway: false }
}

describe('a reader who takes nothing', () => {
  test('is sent away once a budget of small frames waits', () => {
    const { given, sentAway } = givenTo(Array.from({ length: 100_000 }, () => 200))
    expect(sentAway).toBe(true)
    expect(given).toBeLessThan(mebibyte + 1000)
  })

  test('never has more waiting than two budgets and a frame, whatever is said', () => {
    for (const frame of [100, 65_536, mebibyte, 8 * mebibyte]) {
      const { given, sentAway } = givenTo(Array.from({ length: 100_000 }, () => frame))
      expect(sentAway).toBe(true)
      expect(given).toBeLessThanOrEqual(2 * mebibyte + frame)
    }
  })

  test('keeps its connection while one large answer is on its way, and a budget behind it', () => {
    expect(givenTo([8 * mebibyte, ...Array.from({ length: 100 }, () => 1000)]).sentAway).toBe(false)
    expect(givenTo([8 * mebibyte, ...Array.from({ length: 1100 }, () => 1000)]).sentAway).toBe(true)
  })
})

test('a reader who keeps up may be given any amount', () => {
  const reader = { burst: 0 }
  for (let n = 0; n < 1000; n++) expect(isTooSlow(reader, n % 2 === 0 ? 0 : mebibyte, 8 * mebibyte)).toBe(false)
})
