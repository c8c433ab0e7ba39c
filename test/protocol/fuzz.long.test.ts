import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { frameReaders } from '../../src/protocol/frames.ts'
import { binaryFrame, textFrame } from '../support/frames.ts'
import { isDoneWithin } from '../support/speed.ts'

test.each([
  ['Protobuf', fc.tuple(fc.constant('protobuf' as const), binaryFrame)],
  ['JSON', fc.tuple(fc.constant('json' as const), textFrame)],
])('a hundred thousand frames of %s are read without falling over, each in no time', (_, frames) => {
  const frame: fc.Arbitrary<readonly ['protobuf' | 'json', string | Uint8Array]> = frames
  fc.assert(
    fc.property(frame, ([format, bytes]) => {
      const read = () => expect(['commands', 'malformed']).toContain(frameReaders[format](bytes).kind)
      expect(isDoneWithin(1000, read)).toBe(true)
    }),
    { numRuns: 100_000 },
  )
})
