import { expect, test } from 'vitest'
import { MessageSender } from '../../durable-objects/gateway/commands/message-sender.ts'
import type { GatewayContext } from '../../durable-objects/gateway/gateway-context.ts'
import type { Taken } from '../../src/limits/ports.ts'
import type { StreamVerb } from '../../src/protocol/stream.ts'
import { listener } from '../support/listener.ts'

/** A sender whose limits are decided by the test, one answer for each message. */
class DecidedSender extends MessageSender {
  readonly answers: (Taken | Promise<Taken>)[] = []
  override take(): Taken | Promise<Taken> {
    return this.answers.shift() ?? { kind: 'taken' }
  }
}

function sender() {
  const sent: string[] = []
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of a gateway that messages use
  const gateway = {
    connectionLimits: { isTyping: false },
    refuseTooFast: (_: unknown, __: unknown, ___: unknown, retryAfterMs: number, settle: (refusal: object) => void) =>
      settle({ kind: 'refused', error: 'tooManyRequests', retryAfterMs }),
  } as unknown as GatewayContext
  const calls = {
    execute: (_: unknown, __: string, verb: StreamVerb) =>
      void sent.push(verb.kind === 'send' ? verb.content.clientId : verb.kind),
  }
  const messages = new DecidedSender(gateway, calls)
  const send = (session: ReturnType<typeof listener>, clientId: string) =>
    messages.send(session, 'conversation:1', { clientId, text: 'hi' }, (result) =>
      sent.push(`${clientId} ${result.kind}`),
    )
  return { messages, sent, send }
}

test('a message that a lease decides at once does not overtake one of its connection that waits for the limiter', async () => {
  const { messages, sent, send } = sender()
  const [alice, bob] = [listener('alice'), listener('bob')]
  const first = Promise.withResolvers<Taken>()
  const third = Promise.withResolvers<Taken>()
  messages.answers.push(first.promise, { kind: 'taken' }, third.promise, { kind: 'taken' })
  send(alice, 'a1')
  send(alice, 'a2')
  send(alice, 'a3')
  send(bob, 'b1')
  expect(sent).toEqual(['b1'])
  third.resolve({ kind: 'limited', retryAfterMs: 5 })
  await turns()
  expect(sent).toEqual(['b1'])
  first.resolve({ kind: 'taken' })
  await turns()
  expect(sent).toEqual(['b1', 'a1', 'a2', 'a3 refused'])
  // Nothing is undecided any more: the next one leaves at once.
  send(alice, 'a4')
  expect(sent.at(-1)).toBe('a4')
})

test('messages behind one whose limiter failed go on', async () => {
  const { messages, sent, send } = sender()
  const alice = listener('alice')
  messages.answers.push(Promise.reject(new Error('away')), { kind: 'taken' })
  send(alice, 'a1')
  send(alice, 'a2')
  await turns()
  expect(sent).toEqual(['a1 refused', 'a2'])
})

/** Lets all pending microtasks run. */
const turns = async () => {
  for (let n = 0; n < 50; n++) await Promise.resolve()
}
