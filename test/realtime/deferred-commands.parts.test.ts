import { expect, test } from 'vitest'
import { sizes } from '../../src/protocol/limits.ts'
import { deferredBytes, DeferredCommands } from '../../durable-objects/gateway/connect/connect-handler.ts'

test('commands that wait for the reply to a connect are bounded by their bytes, not by their number', () => {
  const deferred = new DeferredCommands()
  for (let bytes = sizes.frameBytes; bytes <= deferredBytes; bytes += sizes.frameBytes)
    expect(deferred.admits(sizes.frameBytes)).toBe(true)
  for (let n = 0; n < 10_000; n++) deferred.commands.push({ kind: 'pong', id: 0, count: 1 })
  expect(deferred.admits(0)).toBe(true)
  expect(deferred.admits(1)).toBe(false)
})
