import { abortAllDurableObjects } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { Links } from '../../durable-objects/gateway/channels/links.ts'
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
