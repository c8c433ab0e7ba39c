import type { SagaAnswer, SagaCall } from '../../../sdk/server.ts'
import type { ConsumedEvent, Order, StepInput } from '../shared/order.ts'
import { done, NotKnown, NotNow, Part, type PartEnv, problem, refused, statusAnswer } from '../shared/part.ts'
import { type Charged, Provider } from './provider.ts'

interface Env extends PartEnv {
  readonly PAYMENT: DurableObjectNamespace<Payment>
  readonly PROVIDER_URL: string
}

/** `unknown` counts the requests to the provider whose outcome is not known. */
const schema = `CREATE TABLE IF NOT EXISTS payments (
  order_id TEXT PRIMARY KEY, amount INTEGER NOT NULL, state TEXT NOT NULL, charge TEXT, unknown INTEGER NOT NULL DEFAULT 0
)`

/**
 * Takes the money for orders through a provider. The provider is another system: no transaction reaches both. So the payment is
 * written first, as `pending`; then the provider is asked, under a key that is the same for every attempt; then what it answered is
 * written, together with the event and the answer of the step.
 */
export class Payment extends Part<Env> {
  protected readonly partName = 'payment'
  readonly #provider: Provider

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, schema)
    this.#provider = new Provider(env.PROVIDER_URL)
  }

  protected async onEvent({ type, data: { order } }: ConsumedEvent, delivery: string): Promise<void> {
    if (type !== 'stock.reserved') return
    const charged = await this.#charge(order)
    this.once(delivery, () => {
      if (charged.kind === 'taken') this.publish('payment.taken', order)
      else this.publish('payment.declined', order, charged.reason)
    })
  }

  protected async onStep(step: string, call: SagaCall, { order }: StepInput): Promise<SagaAnswer | undefined> {
    switch (step) {
      case 'pay': {
        const known = this.calls.known(call)
        if (known !== undefined) return known
        const charged = await this.#charge(order)
        return this.calls.once(call, () =>
          charged.kind === 'taken' ? done({ charge: charged.charge }) : refused(charged.reason),
        )
      }
      case 'pay-status':
        return await this.#status(call, order)
      case 'refund':
        this.calls.close(call)
        await this.#provider.cancel(order.id)
        return this.calls.undo(call, () => {
          this.rows("UPDATE payments SET state = 'returned', unknown = 0 WHERE order_id = ?", order.id)
          return done()
        })
      default:
        return undefined
    }
  }

  protected onRequest(method: string, path: string): Response {
    if (method !== 'GET' || path !== '/payments') return problem(404, 'GET /payments')
    return Response.json({
      payments: this.rows('SELECT order_id, amount, state, charge FROM payments'),
      pending: this.outbox.pending,
      refused: this.outbox.refused(),
    })
  }

  /** Charges the card once, however often it is called. Throws NotNow or NotKnown. */
  async #charge({ id, total, card }: Order): Promise<Charged> {
    const known = this.#begin(id, total)
    if (known !== undefined) return known
    try {
      const charged = await this.#provider.charge(id, total, card)
      this.#settle(id, charged)
      return charged
    } catch (thrown) {
      if (thrown instanceof NotNow && this.#forget(id) > 0) throw new NotKnown('an earlier attempt is not known yet')
      throw thrown
    }
  }

  /**
   * Answers from the payment, which is written before the answer of the step. What is pending is asked about at the provider: to say
   * `not-started` would let the run go without returning the money.
   */
  async #status(call: SagaCall, { id }: Order): Promise<SagaAnswer> {
    const [payment] = this.rows('SELECT state, charge FROM payments WHERE order_id = ?', id)
    if (payment?.['state'] === 'taken') return stepIsDone(String(payment['charge']))
    if (payment?.['state'] !== 'pending') return statusAnswer(this.calls.status(call))
    const found = await this.#provider.find(id)
    if (found === undefined) return { status: 200, body: { outcome: 'unknown' } }
    this.#settle(id, found)
    return stepIsDone(found.charge)
  }

  /** Notes that the provider is asked; returns how the charge ended when that is known already. */
  #begin(id: string, amount: number): Charged | undefined {
    const [row] = this.rows('SELECT state, charge FROM payments WHERE order_id = ?', id)
    if (row?.['state'] === 'taken') return { kind: 'taken', charge: String(row['charge']) }
    if (row?.['state'] === 'declined') return { kind: 'declined', reason: 'the card was declined' }
    this.rows(
      `INSERT INTO payments (order_id, amount, state, unknown) VALUES (?, ?, 'pending', 1)
       ON CONFLICT (order_id) DO UPDATE SET unknown = unknown + 1`,
      id,
      amount,
    )
    return undefined
  }

  #settle(id: string, charged: Charged): void {
    this.rows(
      "UPDATE payments SET state = ?, charge = ?, unknown = 0 WHERE order_id = ? AND state = 'pending'",
      charged.kind,
      charged.kind === 'taken' ? charged.charge : null,
      id,
    )
  }

  /** An attempt was not made; returns how many others are not known. */
  #forget(id: string): number {
    const [row] = this.rows(
      'UPDATE payments SET unknown = max(0, unknown - 1) WHERE order_id = ? RETURNING unknown',
      id,
    )
    return Number(row?.['unknown'])
  }
}

const stepIsDone = (charge: string): SagaAnswer => statusAnswer({ outcome: 'done', result: { charge } })

export default {
  fetch: (request: Request, { PAYMENT }: Env) => PAYMENT.get(PAYMENT.idFromName('shop')).fetch(request),
}
