import { expect, test } from 'vitest'
import { ChannelCalls } from '../../durable-objects/gateway/channels/channel-calls.ts'
import { FailedCalls } from '../../durable-objects/gateway/channels/failed-calls.ts'
import type { GatewayContext } from '../../durable-objects/gateway/gateway-context.ts'
import type { StreamAnswer, StreamCall, StreamResult } from '../../src/protocol/stream.ts'
import { Hub } from '../../src/realtime/hub.ts'
import { listener } from '../support/listener.ts'

test('messages to a conversation that does not answer are refused in time, and later ones reach it again', async () => {
  let now = 1_000
  const clock = { now: () => now }
  const calls: StreamCall[] = []
  const answers: PromiseWithResolvers<StreamAnswer>[] = []
  const execute = async (call: StreamCall) => {
    calls.push(call)
    const answer = Promise.withResolvers<StreamAnswer>()
    answers.push(answer)
    return await answer.promise
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of a gateway that its calls use
  const context = {
    env: { CONVERSATION: { getByName: () => ({ execute }) } },
    config: { maxOpenActors: Infinity, links: false },
    name: 'eu/0',
    clock,
    names: { hasConversation: () => true },
    registry: { connectionsOf: () => [] },
  } as unknown as GatewayContext
  const hub = new Hub({ changed: () => undefined, written: () => undefined })
  const sender = new ChannelCalls(context, hub, (_, __, commands, answer) => {
    if (answer === undefined) failed.refuse('acme/conversation:1', commands)
    else
      commands.forEach(({ settle }, index) => settle(answer.results[index] ?? { kind: 'refused', error: 'internal' }))
  })
  const failed = new FailedCalls(hub, () => undefined)
  const expire = () => failed.expire(sender.batchers, now, (call) => sender.ended(call, now))
  const told: StreamResult[] = []
  const send = (clientId: string) =>
    sender.execute(listener('alice'), 'conversation:1', { kind: 'send', content: { clientId, text: 'hi' } }, (result) =>
      told.push(result),
    )
  send('a')
  await turns()
  send('b')
  now = 10_999
  expire()
  await turns()
  expect(told).toEqual([])

  now = 11_000
  expire()
  await turns()
  const refused = { kind: 'refused', error: 'internal' }
  expect(told).toMatchObject([refused, refused])

  // The next message calls again; the late answer to the first call settles nothing twice.
  send('c')
  await turns()
  expect(calls.map(({ commands }) => commands.length)).toEqual([1, 1])
  const done: StreamResult = { kind: 'done', data: '{"seq":1}' }
  const update = { epoch: 'e', after: 0, publications: [], events: [] }
  for (const answer of answers) answer.resolve({ update, behind: false, results: [done] })
  await turns()
  expect(told).toMatchObject([refused, refused, { kind: 'done' }])
})

/** Lets all pending microtasks run. */
const turns = async () => {
  for (let n = 0; n < 50; n++) await Promise.resolve()
}
