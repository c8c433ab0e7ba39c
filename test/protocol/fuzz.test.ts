import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ParsedFrame } from '../../src/protocol/commands.ts'
import { frameReaders } from '../../src/protocol/frames.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { readMessage } from '../../src/protocol/protobuf/read.ts'
import { messageNames } from '../../src/protocol/protobuf/schema.ts'
import { encodeCommands } from '../support/worker/sdk-codec.ts'
import { binaryFrame, textFrame } from '../support/frames.ts'
import { isDoneWithin } from '../support/speed.ts'

/** Whatever a frame is, it is commands with ids of their own, or a sentence for the log. */
function isSane(parsed: ParsedFrame): void {
  if (parsed.kind === 'malformed') {
    expect(parsed.reason).not.toBe('')
    return
  }
  expect(parsed.commands.length).toBeLessThanOrEqual(sizes.frameBytes)
  for (const { kind, id } of parsed.commands) {
    expect(Number.isInteger(id) && id >= 0 && id <= 0xffff_ffff).toBe(true)
    if (id === 0) expect(['pong', 'send']).toContain(kind)
  }
}

describe('whatever comes is read without falling over', () => {
  test('as a Protobuf frame', () => {
    fc.assert(
      fc.property(binaryFrame, (frame) => isSane(frameReaders.protobuf(frame))),
      { numRuns: 3000 },
    )
  })

  test('as a JSON frame', () => {
    fc.assert(
      fc.property(textFrame, (frame) => isSane(frameReaders.json(frame))),
      { numRuns: 3000 },
    )
  })

  test('as any message of the protocol: it is read, or refused by an error of ours', () => {
    const anyMessage = fc.constantFrom(...messageNames)
    fc.assert(
      fc.property(anyMessage, fc.uint8Array({ maxLength: 200 }), (name, bytes) => {
        try {
          expect(typeof readMessage(name, bytes)).toBe('object')
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Error)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the worst frame there may be is read in no time', () => {
  const most = sizes.frameBytes
  const filled = (...pattern: readonly number[]) => {
    const frame = new Uint8Array(most)
    for (let at = 0; at < most; at++) frame[at] = pattern[at % pattern.length] ?? 0
    return frame
  }
  const wrap = (start: string, filling: string, end = '') =>
    start + filling.repeat((most - start.length - end.length) / filling.length) + end
  const delimited = (body: Uint8Array) =>
    new Uint8Array([(body.length & 0x7f) | 0x80, ((body.length >> 7) & 0x7f) | 0x80, body.length >> 14, ...body])

  test.each<readonly [string, string | Uint8Array]>([
    ['arrays within arrays', wrap('{"id":1,"rpc":{"method":"x","data":', '[')],
    ['objects within objects', wrap('{"id":1,"rpc":{"method":"x","data":', '{"a":')],
    ['a string of quotes to be', wrap('{"id":1,"rpc":{"method":"', '\\"')],
    ['a string of backslashes', wrap('{"id":1,"rpc":{"method":"', '\\\\', '"}}')],
    ['a number of 64 KiB', wrap('{"id":', '9')],
    [
      'subscriptions without end',
      `{"id":1,"connect":{"subs":{${Array.from({ length: 5000 }, (_, n) => `"c${n}":{}`).join(',')}}}}`,
    ],
    ['the same field over and over', wrap('{"id":1,"rpc":{', '"method":"x",', '"data":1}}')],
    ['lines that are nothing', wrap('', '\n')],
    ['empty messages', filled(0)],
    ['lengths without end', filled(0xff)],
    ['groups within groups', delimited(filled(0x1b).subarray(0, most - 3))],
    ['unknown fields', delimited(filled(0xf8, 0x07, 0x01).subarray(0, most - 3))],
    ['filters within filters', delimited(filled(0x6a, 0x7f, 0x32, 0x7d).subarray(0, most - 3))],
    ['a large word', encodeCommands([{ id: 1, rpc: { method: 'x', data: '"'.repeat(most / 2 - 40) } }])],
  ])('%s', (_, frame) => {
    const read = () => isSane(frameReaders[typeof frame === 'string' ? 'json' : 'protobuf'](frame))
    expect(isDoneWithin(250, read)).toBe(true)
  })
})
