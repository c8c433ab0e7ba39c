import type { DeliveryOutcome } from '../model.ts'
import { answerOf, later, usualOutcome } from './answers.ts'
import { Unsendable, type Answer, type HttpCall, type Message, type ProviderType, type Tools } from './provider.ts'

/** Calls a provider. Resolves with what became of a call that had no answer, too. */
export type Caller = (call: HttpCall) => Promise<Answer | { readonly outcome: DeliveryOutcome }>

/** Tokens that providers gave, by what `authorize` calls them. */
export interface Tokens {
  get(key: string): string | undefined
  set(key: string, token: string, seconds: number): void
  delete(key: string): void
}

/** One attempt to send a message. It never throws for what a provider or a tenant does wrong. */
export async function attemptDelivery(
  type: ProviderType,
  message: Message,
  credentials: unknown,
  call: Caller,
  tools: Omit<Tools, 'token'>,
  tokens: Tokens,
): Promise<DeliveryOutcome> {
  try {
    const authorization = await type.authorize?.(credentials, tools)
    let token = authorization === undefined ? undefined : tokens.get(authorization.key)
    if (authorization !== undefined && token === undefined) {
      const answer = await call(authorization.call)
      // Without a token nothing was sent, whatever became of this call.
      if ('outcome' in answer) return { kind: 'later', answer: `no token: ${answer.outcome.answer ?? ''}` }
      const given = authorization.read(answer)
      if (given === undefined)
        return answer.status >= 400 && answer.status < 500 && answer.status !== 429
          ? { kind: 'refused', answer: `no token: ${answerOf(answer)}` }
          : later(answer, tools.now)
      token = given.token
      // One that ends soon is not used any more.
      tokens.set(authorization.key, token, Math.max(1, given.seconds - 120))
    }
    const withToken: Tools = { ...tools, token }
    const answer = await call(await type.prepare(message, credentials, withToken))
    if ('outcome' in answer) return answer.outcome
    if (answer.status === 401 && authorization !== undefined) {
      tokens.delete(authorization.key)
      return later(answer, tools.now, 1000)
    }
    return type.read(answer, withToken) ?? usualOutcome(answer, tools.now)
  } catch (thrown) {
    if (thrown instanceof Unsendable) return { kind: thrown.kind, answer: thrown.message }
    throw thrown
  }
}
