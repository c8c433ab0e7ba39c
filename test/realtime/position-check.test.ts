import { expect, test } from 'vitest'
import { isCheckedAt } from '../../src/realtime/liveness.ts'

const beat = 25_000
const channels = Array.from({ length: 6400 }, (_, n) => `conversation:${n}`)

test('every channel is checked once in 64 heartbeats, and about as many in each', () => {
  const checks = new Map<string, number>()
  for (let round = 0; round < 64; round++) {
    const checked = channels.filter((channel) => isCheckedAt(channel, 1_700_000_000_000 + round * beat))
    expect(checked.length).toBeLessThan(200)
    for (const channel of checked) checks.set(channel, (checks.get(channel) ?? 0) + 1)
  }
  for (const channel of channels) expect(checks.get(channel)).toBe(1)
})
