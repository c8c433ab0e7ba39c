import { describe, expect, test, vi } from 'vitest'
import { Batcher } from '../durable-objects/shared/batcher.ts'

describe('a batch', () => {
  test('has all calls that arrive while its first one waits, and each gets its own answer', async () => {
    const waits: { readonly ms: number; readonly over: (value: undefined) => void }[] = []
    vi.stubGlobal('scheduler', {
      wait: (ms: number) => {
        const { promise, resolve } = Promise.withResolvers<undefined>()
        waits.push({ ms, over: resolve })
        return promise
      },
    })
    const taken: (readonly number[])[] = []
    const batcher = new Batcher<number, number>(
      (all) => {
        taken.push(all)
        return all.map((one) => 10 * one)
      },
      () => 4,
    )
    const answers = [batcher.add(1), batcher.add(2)]
    await Promise.resolve()
    answers.push(batcher.add(3))
    expect(taken).toEqual([])
    waits[0]?.over(undefined)
    expect(await Promise.all(answers)).toEqual([10, 20, 30])
    expect(taken).toEqual([[1, 2, 3]])
    expect(waits.map(({ ms }) => ms)).toEqual([4])
    vi.unstubAllGlobals()
  })
})
