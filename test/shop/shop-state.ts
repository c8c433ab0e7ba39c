import { z } from 'zod'
import { orderShape, topic } from '../../examples/shop/shared/order.ts'
import { partNames } from '../../examples/shop/local/worker.ts'
import type { Charge } from '../../examples/shop/local/provider.ts'
import { firstStock, type ShopWorld } from './shop-world.ts'

const outbox = { pending: z.int(), refused: z.array(z.object({ key: z.string(), error: z.string() })).default([]) }
const ordersView = z.object({
  orders: z.array(z.object({ id: z.string(), state: z.string(), way: z.string(), order: orderShape })),
  ...outbox,
})
const stockView = z.object({
  items: z.array(z.object({ sku: z.string(), free: z.int() })),
  reservations: z.array(z.object({ order_id: z.string(), sku: z.string(), quantity: z.int(), state: z.string() })),
  ...outbox,
})
const paymentView = z.object({ payments: z.array(z.object({ order_id: z.string(), state: z.string() })), ...outbox })
const lettersView = z.object({ letters: z.array(z.object({ order_id: z.string() })), ...outbox })
const runsView = z.object({
  runs: z.array(z.object({ id: z.string(), state: z.string() })),
  next: z.string().nullable(),
})
const consumerView = z.object({
  lag: z.int(),
  retrying: z.int(),
  handedOut: z.int(),
  deadLetters: z.int(),
  full: z.boolean(),
})

/** What all parts, Parley and the provider say at one time. */
export interface ShopState {
  readonly orders: z.output<typeof ordersView>
  readonly stock: z.output<typeof stockView>
  readonly payment: z.output<typeof paymentView>
  readonly notification: z.output<typeof lettersView>
  readonly runs: z.output<typeof runsView>['runs']
  readonly consumers: Readonly<Record<string, z.output<typeof consumerView>>>
  readonly charges: readonly Charge[]
  /** The events of each order, in their order, with their offsets. */
  readonly events: ReadonlyMap<string, readonly string[]>
}

export async function stateOf(world: ShopWorld): Promise<ShopState> {
  const runs: z.output<typeof runsView>['runs'] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const query = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const page = runsView.parse(await world.operator.request('GET', `/v1/saga-runs?limit=100${query}`))
    runs.push(...page.runs)
    cursor = page.next
  }
  const consumers: Record<string, z.output<typeof consumerView>> = {}
  for (const { name } of z
    .object({ consumers: z.array(z.object({ name: z.string() })) })
    .parse(await world.operator.request('GET', '/v1/consumers')).consumers)
    consumers[name] = consumerView.parse(await world.operator.request('GET', `/v1/consumers/${name}`))
  return {
    events: await eventsOf(world),
    orders: ordersView.parse(await world.look('orders', '/orders')),
    stock: stockView.parse(await world.look('stock', '/stock')),
    payment: paymentView.parse(await world.look('payment', '/payments')),
    notification: lettersView.parse(await world.look('notification', '/letters')),
    runs,
    consumers,
    charges: [...world.provider.charges.values()].map((charge) => ({ ...charge })),
  }
}

const eventView = z.object({ offset: z.int(), type: z.string(), partitionkey: z.string() })

async function eventsOf(world: ShopWorld): Promise<Map<string, string[]>> {
  const events = new Map<string, string[]>()
  for (let after = 0; ;) {
    const page = z.array(eventView).parse(await world.operator.events(topic, after))
    for (const { offset, type, partitionkey } of page) {
      events.set(partitionkey, [...(events.get(partitionkey) ?? []), `${type} (${offset})`])
      after = offset
    }
    if (page.length === 0) return events
  }
}

/** What is not finished yet: orders whose run was compensated, runs, deliveries, outboxes and requests under way. Without these no order changes any more. */
export function workIn(state: ShopState, underWay: number): string[] {
  const { orders, runs, consumers } = state
  const compensated = new Set(runs.filter((run) => run.state === 'compensated').map(({ id }) => id))
  const behindRuns = orders.orders
    .filter(({ id, state: stands }) => stands === 'placed' && compensated.has(id))
    .map(({ id }) => `order ${id} is placed, its run is compensated`)
  const openRuns = runs
    .filter((run) => run.state !== 'completed' && run.state !== 'compensated')
    .map((run) => `run ${run.id} is ${run.state}`)
  const behind = Object.entries(consumers)
    .filter(([, { lag, retrying, handedOut }]) => lag + retrying + handedOut > 0)
    .map(([name, figures]) => `consumer ${name}: ${JSON.stringify(figures)}`)
  const outboxes = partNames
    .filter((part) => state[part].pending > 0)
    .map((part) => `outbox of ${part}: ${state[part].pending} ${JSON.stringify(state[part].refused)}`)
  return [
    ...behindRuns,
    ...openRuns,
    ...behind,
    ...outboxes,
    ...(underWay > 0 ? [`${underWay} requests under way`] : []),
  ]
}

/** What is not consistent, once all is finished; `placed` are the orders that customers were told of. */
export function brokenIn(state: ShopState, placed: readonly string[]): string[] {
  const { orders, stock, payment, notification, runs, consumers, charges } = state
  const broken: string[] = []
  const expect = (isSo: boolean, text: string) => {
    if (!isSo) broken.push(text)
  }
  const known = new Map(orders.orders.map((each) => [each.id, each]))
  for (const id of placed) expect(known.has(id), `order ${id} was answered and is not there`)
  for (const { id, state: ended, way, order } of orders.orders) {
    const taken = charges.filter(({ key, isReturned }) => key === id && !isReturned)
    const reservation = stock.reservations.find(({ order_id }) => order_id === id)
    const letters = notification.letters.filter(({ order_id }) => order_id === id).length
    const paymentState = payment.payments.find(({ order_id }) => order_id === id)?.state
    const run = runs.find((each) => each.id === id)?.state
    const money = taken.reduce((sum, { amount }) => sum + amount, 0)
    if (ended === 'confirmed') {
      expect(money === order.total, `order ${id} is confirmed, ${money} of ${order.total} is taken`)
      expect(paymentState === 'taken', `order ${id} is confirmed, its payment is ${paymentState}`)
      expect(reservation?.state === 'reserved', `order ${id} is confirmed, its stock is ${reservation?.state}`)
      expect(letters === 1, `order ${id} is confirmed, ${letters} letters were written`)
    } else {
      expect(ended === 'cancelled', `order ${id} is ${ended}, its events: ${state.events.get(id)?.join(', ')}`)
      expect(money === 0, `order ${id} is cancelled, ${money} is taken`)
      expect(paymentState !== 'taken', `order ${id} is cancelled, its payment is ${paymentState}`)
      expect(reservation?.state !== 'reserved', `order ${id} is cancelled, its stock is reserved`)
      expect(letters === 0, `order ${id} is cancelled, ${letters} letters were written`)
    }
    const runEnd = ended === 'confirmed' ? 'completed' : 'compensated'
    expect(way === 'events' ? run === undefined : run === runEnd, `order ${id} is ${ended}, its run is ${run}`)
  }
  const confirmed = orders.orders.filter((each) => each.state === 'confirmed')
  const due = confirmed.reduce((sum, { order }) => sum + order.total, 0)
  const held = charges.reduce((sum, { amount, isReturned }) => sum + (isReturned ? 0 : amount), 0)
  expect(due === held, `confirmed orders cost ${due}, the provider has taken ${held}`)
  for (const { sku, free } of stock.items) {
    const first = new Map<string, number>(Object.entries(firstStock)).get(sku) ?? 0
    const reserved = stock.reservations
      .filter((each) => each.sku === sku && each.state === 'reserved')
      .reduce((sum, { quantity }) => sum + quantity, 0)
    expect(free + reserved === first, `${sku}: ${free} free and ${reserved} reserved are not ${first}`)
  }
  for (const [name, { deadLetters }] of Object.entries(consumers))
    expect(deadLetters === 0, `consumer ${name} has ${deadLetters} dead letters`)
  return broken
}
