import { describe, expect, test } from 'vitest'
import { AdmissionQueue } from '../../src/realtime/admission-queue.ts'

/** People who come to a turnstile, and are inside until they are told to go on. */
function crowdAt(turnstile: AdmissionQueue) {
  const entered: string[] = []
  const inside = new Map<string, () => void>()
  const gone = new Set<string>()
  const come = (name: string) =>
    turnstile.enqueue({
      enter: () => {
        entered.push(name)
        return new Promise((resolve) => inside.set(name, resolve))
      },
      isGone: () => gone.has(name),
    })
  const passes = async (name: string) => {
    inside.get(name)!()
    inside.delete(name)
    for (let turns = 0; turns < 5; turns++) await Promise.resolve()
  }
  return { entered, inside, gone, come, passes }
}

describe('an admission queue', () => {
  test('lets in as many as fit at once, and the others in the order they came', async () => {
    const { entered, come, passes } = crowdAt(new AdmissionQueue(2))
    for (const name of ['a', 'b', 'c', 'd']) come(name)
    expect(entered).toEqual(['a', 'b'])
    await passes('b')
    expect(entered).toEqual(['a', 'b', 'c'])
    await passes('a')
    expect(entered).toEqual(['a', 'b', 'c', 'd'])
  })

  test('never holds more than fit, however many come', async () => {
    const turnstile = new AdmissionQueue(64)
    const { entered, inside, come, passes } = crowdAt(turnstile)
    for (let n = 0; n < 1000; n++) come(`${n}`)
    expect(turnstile.waiting).toBe(936)
    for (let n = 0; n < 1000; n++) {
      expect(inside.size).toBeLessThanOrEqual(64)
      await passes(`${n}`)
    }
    expect(inside.size).toBe(0)
    expect(entered).toEqual(Array.from({ length: 1000 }, (_, n) => `${n}`))
    expect(turnstile.waiting).toBe(0)
  })

  test('spends nothing on a caller that has gone meanwhile', async () => {
    const { entered, gone, come, passes } = crowdAt(new AdmissionQueue(1))
    for (const name of ['a', 'b', 'c']) come(name)
    gone.add('b')
    await passes('a')
    expect(entered).toEqual(['a', 'c'])
  })

  test('takes new arrivals after all earlier ones have passed', async () => {
    const { entered, come, passes } = crowdAt(new AdmissionQueue(1))
    come('a')
    await passes('a')
    come('b')
    expect(entered).toEqual(['a', 'b'])
  })
})
