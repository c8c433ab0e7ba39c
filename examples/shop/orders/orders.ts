import { z } from 'zod'
import { ParleyError, type SagaAnswer, type SagaCall } from '../../../sdk/server.ts'
import { type ConsumedEvent, type Order, orderShape, sagaName, type StepInput } from '../shared/order.ts'
import { done, Part, type PartEnv, problem } from '../shared/part.ts'

interface Env extends PartEnv {
  readonly ORDERS: DurableObjectNamespace<Orders>
}

/** What a customer sends. `way` chooses how the order is carried out: by a saga, or by events alone. */
const newOrder = z.strictObject({
  id: z.string().regex(/^[\w-]{1,64}$/),
  sku: z.enum(['book', 'lamp']),
  quantity: z.int().min(1).max(100),
  card: z.string().min(1).max(40),
  way: z.enum(['saga', 'events']),
  customer: z.string().min(1).max(64).default('customer'),
})

/** In cents. */
const prices = { book: 1200, lamp: 4500 } as const

const schema = `CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT, way TEXT NOT NULL, details TEXT NOT NULL
)`

type Ending = 'confirmed' | 'cancelled'

/** Takes orders, and knows what became of each: `placed`, then `confirmed` or `cancelled`. */
export class Orders extends Part<Env> {
  protected readonly partName = 'orders'

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, schema)
  }

  /** The order and what carries it out are one transaction: an order that was answered is never forgotten. */
  #place(given: z.output<typeof newOrder>): Response {
    const { way, customer, ...fields } = given
    const order: Order = { ...fields, total: prices[given.sku] * given.quantity }
    return this.ctx.storage.transactionSync(() => {
      const [known] = this.rows('SELECT way, details FROM orders WHERE id = ?', order.id)
      if (known !== undefined) {
        const isSame = known['way'] === way && known['details'] === JSON.stringify(order)
        return isSame ? Response.json({ order }) : problem(409, 'id: another order has this id')
      }
      this.rows(
        "INSERT INTO orders (id, state, way, details) VALUES (?, 'placed', ?, ?)",
        order.id,
        way,
        JSON.stringify(order),
      )
      if (way === 'saga') this.outbox.startRun(sagaName, { id: order.id, input: { order }, watchers: [customer] })
      else this.publish('order.placed', order)
      return Response.json({ order }, { status: 201 })
    })
  }

  /** The other way: the events of stock and payment decide. Of a saga, the event that it was compensated ends its order. */
  protected onEvent({ type, data: { order, reason } }: ConsumedEvent, delivery: string): void {
    this.once(delivery, () => {
      if (type === 'payment.taken') {
        this.#end(order, 'confirmed')
        this.publish('order.confirmed', order)
      } else if (type === 'stock.rejected' || type === 'stock.released') {
        this.#end(order, 'cancelled', reason)
        this.publish('order.cancelled', order, reason)
      } else if (type === 'saga.compensated') this.#end(order, 'cancelled', reason)
    })
  }

  /** One way: the saga decides. */
  protected onStep(step: string, call: SagaCall, { order }: StepInput): SagaAnswer | undefined {
    if (step !== 'confirm') return undefined
    return this.calls.once(call, () => {
      this.#end(order, 'confirmed')
      return done()
    })
  }

  protected async onRequest(method: string, path: string, request: Request): Promise<Response> {
    if (method === 'POST' && path === '/orders') {
      const given = newOrder.safeParse(await request.json().catch(() => undefined))
      return given.success ? this.#place(given.data) : problem(400, z.prettifyError(given.error))
    }
    const cancelled = /^\/orders\/([\w-]+)\/cancel$/.exec(path)?.[1]
    if (method === 'POST' && cancelled !== undefined) return await this.#cancel(cancelled)
    if (method === 'GET' && path === '/orders')
      return Response.json({ orders: this.#all(), pending: this.outbox.pending, refused: this.outbox.refused() })
    return problem(404, 'POST /orders, POST /orders/{id}/cancel, GET /orders')
  }

  /** Parley compensates the run, and publishes that it has: then the order is cancelled. */
  async #cancel(id: string): Promise<Response> {
    const [order] = this.rows('SELECT way FROM orders WHERE id = ?', id)
    if (order === undefined) return problem(404, 'there is no such order')
    if (order['way'] !== 'saga') return problem(409, 'only an order by a saga can be cancelled')
    try {
      await this.parley.cancelRun(id, 'the customer cancelled the order')
      return Response.json({ state: 'being cancelled' }, { status: 202 })
    } catch (thrown) {
      if (!(thrown instanceof ParleyError)) throw thrown
      // The outbox has not started the run yet.
      if (thrown.kind === 'notFound') return problem(503, 'the order is being placed; try again', 1)
      return problem(thrown.temporary ? 503 : 409, thrown.message)
    }
  }

  #end({ id }: Pick<Order, 'id'>, state: Ending, reason?: string): void {
    this.rows("UPDATE orders SET state = ?, reason = ? WHERE id = ? AND state = 'placed'", state, reason ?? null, id)
  }

  #all() {
    return this.rows('SELECT id, state, reason, way, details FROM orders ORDER BY rowid').map(
      ({ id, state, reason, way, details }) => ({
        id,
        state,
        reason,
        way,
        order: orderShape.parse(JSON.parse(String(details))),
      }),
    )
  }
}

export default {
  fetch: (request: Request, { ORDERS }: Env) => ORDERS.get(ORDERS.idFromName('shop')).fetch(request),
}
