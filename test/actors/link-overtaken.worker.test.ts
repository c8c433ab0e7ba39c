import { expect, test } from 'vitest'
import { Links } from '../../durable-objects/gateway/channels/links.ts'
import { encodeAnswer } from '../../src/protocol/link-frames.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'

const call = (have: number): StreamCall => ({ gateway: 'here/0', have, commands: [] })

const answerTo = (have: number): StreamAnswer => ({
  update: { epoch: 'e', after: have, publications: [], events: [] },
  behind: false,
  results: [],
})

/** A stream whose end of the link answers when it is told to. */
function slowStream() {
  const asked: StreamCall[] = []
  let theirs: WebSocket | undefined
  return {
    asked,
    answer: (have: number) => theirs?.send(encodeAnswer(answerTo(have))),
    fetch: async () => {
      const { 0: ours, 1: end } = new WebSocketPair()
      end.accept()
      end.addEventListener('message', ({ data }) => asked.push(JSON.parse(String(data))))
      theirs = end
      return new Response(null, { status: 101, webSocket: ours })
    },
  }
}

test('a call made while another is on its way over the link is made by itself, and the first keeps its answer', async () => {
  const links = new Links(() => 0)
  const stream = slowStream()
  for (let n = 0; n < 4; n++) expect(links.call('room', () => stream, call(n))).toBeUndefined()
  let first: Promise<StreamAnswer> | undefined
  await expect.poll(() => (first ??= links.call('room', () => stream, call(7))) !== undefined).toBe(true)
  await expect.poll(() => stream.asked.length).toBe(1)

  expect(links.call('room', () => stream, call(8))).toBeUndefined()
  stream.answer(7)
  expect((await first)?.update.after).toBe(7)
  expect(stream.asked.map(({ have }) => have)).toEqual([7])
})
