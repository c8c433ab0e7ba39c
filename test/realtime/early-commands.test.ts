import { expect, test } from 'vitest'
import { sizes } from '../../src/protocol/limits.ts'
import { earlyBytes, EarlyCommands } from '../../src/realtime/early-commands.ts'

test('commands that wait for the answer to a connect are bounded by their bytes, not by their number', () => {
  const early = new EarlyCommands()
  for (let bytes = sizes.frameBytes; bytes <= earlyBytes; bytes += sizes.frameBytes)
    expect(early.admits(sizes.frameBytes)).toBe(true)
  for (let n = 0; n < 10_000; n++) early.commands.push({ kind: 'pong', id: 0, count: 1 })
  expect(early.admits(0)).toBe(true)
  expect(early.admits(1)).toBe(false)
})
