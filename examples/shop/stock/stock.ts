import type { SagaAnswer, SagaCall } from '../../../sdk/server.ts'
import type { ConsumedEvent, Order, StepInput } from '../shared/order.ts'
import { done, Part, type PartEnv, problem, refused, statusAnswer } from '../shared/part.ts'

interface Env extends PartEnv {
  readonly STOCK: DurableObjectNamespace<Stock>
  /** What there is at first, as JSON: `{"book": 100}`. */
  readonly FIRST_STOCK: string
}

const schema = `
  CREATE TABLE IF NOT EXISTS items (sku TEXT PRIMARY KEY, free INTEGER NOT NULL CHECK (free >= 0));
  CREATE TABLE IF NOT EXISTS reservations (
    order_id TEXT PRIMARY KEY, sku TEXT NOT NULL, quantity INTEGER NOT NULL, state TEXT NOT NULL
  )`

/** Knows how many of each item are free, and which order has reserved how many. */
export class Stock extends Part<Env> {
  protected readonly partName = 'stock'

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, schema)
    const first: Readonly<Record<string, number>> = JSON.parse(env.FIRST_STOCK)
    for (const [sku, free] of Object.entries(first))
      this.rows('INSERT INTO items (sku, free) VALUES (?, ?) ON CONFLICT (sku) DO NOTHING', sku, free)
  }

  protected onEvent({ type, data: { order, reason } }: ConsumedEvent, delivery: string): void {
    this.once(delivery, () => {
      if (type === 'order.placed') {
        const refusal = this.#reserve(order)
        this.publish(refusal === undefined ? 'stock.reserved' : 'stock.rejected', order, refusal)
      } else if (type === 'payment.declined') {
        this.#release(order)
        this.publish('stock.released', order, reason)
      }
    })
  }

  protected onStep(step: string, call: SagaCall, { order }: StepInput): SagaAnswer | undefined {
    switch (step) {
      case 'reserve':
        return this.calls.once(call, () => {
          const refusal = this.#reserve(order)
          return refusal === undefined ? done({ reserved: order.quantity }) : refused(refusal)
        })
      case 'reserve-status':
        return statusAnswer(this.calls.status(call))
      case 'release':
        return this.calls.undo(call, () => {
          this.#release(order)
          return done()
        })
      default:
        return undefined
    }
  }

  protected onRequest(method: string, path: string): Response {
    if (method !== 'GET' || path !== '/stock') return problem(404, 'GET /stock')
    return Response.json({
      items: this.rows('SELECT sku, free FROM items'),
      reservations: this.rows('SELECT order_id, sku, quantity, state FROM reservations'),
      pending: this.outbox.pending,
      refused: this.outbox.refused(),
    })
  }

  /** Why there is no reservation, or undefined. */
  #reserve({ id, sku, quantity }: Order): string | undefined {
    const [item] = this.rows(
      'UPDATE items SET free = free - ? WHERE sku = ? AND free >= ? RETURNING free',
      quantity,
      sku,
      quantity,
    )
    if (item === undefined) return `${sku}: not enough in stock`
    this.rows(
      "INSERT INTO reservations (order_id, sku, quantity, state) VALUES (?, ?, ?, 'reserved')",
      id,
      sku,
      quantity,
    )
    return undefined
  }

  #release({ id }: Order): void {
    const [held] = this.rows(
      "UPDATE reservations SET state = 'released' WHERE order_id = ? AND state = 'reserved' RETURNING sku, quantity",
      id,
    )
    if (held !== undefined)
      this.rows('UPDATE items SET free = free + ? WHERE sku = ?', Number(held['quantity']), String(held['sku']))
  }
}

export default {
  fetch: (request: Request, { STOCK }: Env) => STOCK.get(STOCK.idFromName('shop')).fetch(request),
}
