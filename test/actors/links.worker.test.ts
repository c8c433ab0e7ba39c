import { abortAllDurableObjects } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { Links } from '../../durable-objects/gateway/channels/links.ts'
import { encodeAnswer } from '../../src/protocol/link-frames.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'
import { newTenant } from '../support/worker/tenant.ts'

const sending = (n: number): StreamCall => ({
  gateway: null,
  have: null,
  commands: [{ kind: 'send', user: 'alice', client: '', content: { clientId: `c${n}`, text: `message ${n}` } }],
})

const seqIn = ({ results }: StreamAnswer) =>
  results[0]?.kind === 'done' ? JSON.parse(results[0].data).seq : results[0]

test('a busy conversation is talked to over a link; what breaks with it is sent again without it, and said once', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice')
  const links = new Links(() => Date.now())
  const seqs: unknown[] = []
  let overLink = 0
  let said = 0
  // How soon one is dialled again after the break is a matter of time.
  while (said < 30 || (overLink <= 15 && said < 200)) {
    const n = ++said
    // As if the machine had gone: the link with it, and all that was only in memory.
    if (n === 15) await abortAllDurableObjects()
    const conversation = tenant.actorOf(lunch)
    const linked = links.call(lunch, () => conversation, sending(n))
    if (linked !== undefined) overLink++
    seqs.push(seqIn(await (linked ?? conversation.execute(sending(n))).catch(() => conversation.execute(sending(n)))))
  }
  expect(seqs).toEqual(Array.from({ length: said }, (_, n) => n + 1))
  expect(overLink).toBeGreaterThan(15)
})

test('a refusal comes back over a link as over a call', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('bob')
  const links = new Links(() => Date.now())
  const answers = []
  for (let n = 1; n <= 8; n++) {
    const call = sending(n)
    answers.push(
      seqIn(await (links.call(lunch, () => tenant.actorOf(lunch), call) ?? tenant.actorOf(lunch).execute(call))),
    )
  }
  expect(answers).toEqual(Array.from({ length: 8 }, () => ({ kind: 'refused', error: 'notFound' })))
})

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
