import { describe, expect, test } from 'vitest'
import { readOutcome } from '../../src/handlers/notification-fetch.ts'
import { readAnswer } from '../../src/adapters/saga-endpoint.ts'
import { dropBody } from '../../src/kernel/drop-body.ts'

/** A JSON answer whose body never ends, with the headers that are given; `isLeft` once it is not read further. */
function endless(headers: Record<string, string> = {}) {
  const state = { read: 0, isLeft: false }
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      state.read += 4096
      // Without a limit the test would end here, and not with all memory.
      if (state.read > 10_000_000) controller.close()
      else controller.enqueue(new Uint8Array(4096).fill(0x20))
    },
    cancel() {
      state.isLeft = true
    },
  })
  return { state, response: new Response(body, { headers: { 'content-type': 'application/json', ...headers } }) }
}

const kinds: [string, Record<string, string>][] = [
  ['no length', {}],
  ['a compressed length that is within the limit', { 'content-length': '100', 'content-encoding': 'gzip' }],
  ['a length beyond the limit', { 'content-length': '40000' }],
]

describe('an answer with more than 32 KiB, sent with', () => {
  test.each(kinds)('%s, is not read to its end by a saga, and its step is done with the reason', async (_, headers) => {
    const { state, response } = endless(headers)
    expect(await readAnswer(response)).toEqual({
      status: 200,
      retryAfter: null,
      body: { error: 'the answer is longer than 32768 bytes' },
    })
    expect(state).toEqual({ read: expect.any(Number), isLeft: true })
    expect(state.read).toBeLessThan(60_000)
  })

  test.each(kinds)(
    '%s, is not read to its end by a fetch step, which is refused with the reason',
    async (_, headers) => {
      const { state, response } = endless(headers)
      expect(await readOutcome(response)).toEqual({
        kind: 'refused',
        reason: 'its answer is longer than 32768 bytes',
      })
      expect(state.isLeft).toBe(true)
      expect(state.read).toBeLessThan(60_000)
    },
  )
})

test('an answer of exactly 32 KiB is read by both, whatever its chunks are', async () => {
  const fitting = JSON.stringify({ text: 'é'.repeat(16_378) })
  const bytes = new TextEncoder().encode(`${fitting}${' '.repeat(32_768 - new TextEncoder().encode(fitting).length)}`)
  const inChunks = () =>
    new Response(
      new ReadableStream({
        start(controller) {
          // An odd size, so that characters are cut.
          for (let at = 0; at < bytes.length; at += 1001) controller.enqueue(bytes.slice(at, at + 1001))
          controller.close()
        },
      }),
      { headers: { 'content-type': 'application/json' } },
    )
  expect((await readAnswer(inChunks())).body).toEqual(JSON.parse(fitting))
  expect(await readOutcome(inChunks())).toEqual({ kind: 'done', result: JSON.parse(fitting) })
})

test('an answer of which nothing is wanted is not read to its end when it is compressed and said to be short', async () => {
  const { state, response } = endless({ 'content-length': '100', 'content-encoding': 'gzip' })
  await dropBody(response)
  expect(state.isLeft).toBe(true)
  expect(state.read).toBeLessThan(60_000)
})
