import { z } from 'zod'
import { NotKnown, NotNow } from '../shared/part.ts'

/** A charge that was made. */
export interface Taken {
  readonly kind: 'taken'
  readonly charge: string
}

/** How a charge ended. */
export type Charged = Taken | { readonly kind: 'declined'; readonly reason: string }

const chargeShape = z.object({ charge: z.string() })
const declinedShape = z.object({ error: z.string() })
const timeoutMs = 5000

/**
 * The company that takes the money. It knows a charge by the key that it was asked with: the same key is the same charge. Every
 * method throws NotNow when nothing was done, and NotKnown when that cannot be said.
 */
export class Provider {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  async charge(key: string, amount: number, card: string): Promise<Charged> {
    const answer = await this.#post('/charges', key, { amount, card })
    if (answer.status === 402) return { kind: 'declined', reason: declinedShape.parse(await answer.json()).error }
    return { kind: 'taken', charge: chargeShape.parse(await answer.json()).charge }
  }

  /** The charge of a key; undefined when there is none yet. */
  async find(key: string): Promise<Taken | undefined> {
    const answer = await this.#post('/charges/find', key, {})
    return answer.status === 404 ? undefined : { kind: 'taken', charge: chargeShape.parse(await answer.json()).charge }
  }

  /** Returns the money of a key's charge; one that arrives later is not made. */
  async cancel(key: string): Promise<void> {
    await this.#post('/charges/cancel', key, {})
  }

  async #post(path: string, key: string, body: object): Promise<Response> {
    const answer = await this.#send(path, key, body)
    if (answer.ok || answer.status === 402 || answer.status === 404) return answer
    const retryAfter = Number(answer.headers.get('retry-after') ?? Number.NaN)
    if (answer.status === 503 && Number.isFinite(retryAfter))
      throw new NotNow('the payment provider is not available', retryAfter)
    throw new NotKnown(`the payment provider answered ${answer.status}`)
  }

  async #send(path: string, key: string, body: object): Promise<Response> {
    try {
      return await fetch(this.#url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(timeoutMs),
      })
    } catch {
      throw new NotKnown('the payment provider did not answer')
    }
  }
}
