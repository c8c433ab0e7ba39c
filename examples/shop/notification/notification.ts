import type { SagaAnswer, SagaCall } from '../../../sdk/server.ts'
import type { ConsumedEvent, Order, StepInput } from '../shared/order.ts'
import { done, Part, type PartEnv, problem } from '../shared/part.ts'

interface Env extends PartEnv {
  readonly NOTIFICATION: DurableObjectNamespace<Notification>
}

const schema = `CREATE TABLE IF NOT EXISTS letters (
  id INTEGER PRIMARY KEY, order_id TEXT NOT NULL, text TEXT NOT NULL
)`

/** Writes to the customer when an order is confirmed. Here a letter is a row. */
export class Notification extends Part<Env> {
  protected readonly partName = 'notification'

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, schema)
  }

  protected onEvent({ type, data: { order } }: ConsumedEvent, delivery: string): void {
    this.once(delivery, () => {
      if (type === 'order.confirmed') this.#write(order)
    })
  }

  protected onStep(step: string, call: SagaCall, { order }: StepInput): SagaAnswer | undefined {
    if (step !== 'notify') return undefined
    return this.calls.once(call, () => {
      this.#write(order)
      return done()
    })
  }

  protected onRequest(method: string, path: string): Response {
    if (method !== 'GET' || path !== '/letters') return problem(404, 'GET /letters')
    return Response.json({ letters: this.rows('SELECT order_id, text FROM letters'), pending: this.outbox.pending })
  }

  #write({ id, sku, quantity }: Order): void {
    this.rows(
      'INSERT INTO letters (order_id, text) VALUES (?, ?)',
      id,
      `Your order ${id}: ${quantity} × ${sku}, is on its way.`,
    )
  }
}

export default {
  fetch: (request: Request, { NOTIFICATION }: Env) => NOTIFICATION.get(NOTIFICATION.idFromName('shop')).fetch(request),
}
