import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { EndedStreams } from '../../durable-objects/gateway/transport/ended-streams.ts'

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

test('ten thousand streams that end wait on one timer, each for its ten seconds', () => {
  const lingering = new EndedStreams(() => Date.now())
  const abandonedAt: number[] = []
  for (let n = 0; n < 10_000; n++) lingering.add(() => abandonedAt.push(Date.now()))
  vi.advanceTimersByTime(4000)
  lingering.add(() => abandonedAt.push(Date.now()))
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(5999)
  expect(abandonedAt).toEqual([])
  vi.advanceTimersByTime(1)
  expect(abandonedAt).toHaveLength(10_000)
  vi.advanceTimersByTime(4000)
  expect(abandonedAt.at(-1)).toBe(14_000)
  expect(vi.getTimerCount()).toBe(0)
})
