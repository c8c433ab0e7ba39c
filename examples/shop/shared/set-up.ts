import { type ParleyServer, type RunDocument, saga, type SagaDefinition, type } from '../../../sdk/server.ts'
import { sagaName, type ShopEventType, shopEventTypes, type StepInput, topic } from './order.ts'

/** Where each part is reached. */
export interface PartUrls {
  readonly orders: string
  readonly stock: string
  readonly payment: string
  readonly notification: string
}
export type PartName = keyof PartUrls

/** How patient the shop is: seconds here are for a shop in use, and shorter in its chaos test. */
export interface Pace {
  readonly timeoutSeconds: number
  readonly retry: { readonly attempts: number; readonly seconds: number; readonly maxSeconds: number }
  /** Attempts to deliver an event. */
  readonly maxAttempts: number
}
export const usualPace: Pace = {
  timeoutSeconds: 15,
  retry: { attempts: 20, seconds: 1, maxSeconds: 60 },
  maxAttempts: 20,
}

/** The order saga: until the payment everything can be undone, after it the order is carried out. */
export function orderSaga(urls: PartUrls, { timeoutSeconds, retry }: Pace): SagaDefinition {
  const pace = { timeoutSeconds, retry }
  const call = (part: PartName, step: string) => ({
    url: `${urls[part]}/saga/${step}`,
    body: ({ input, run }: RunDocument<StepInput, unknown>) => ({ order: input.order, reason: run.reason }),
  })
  return saga<StepInput>()
    .step('reserve', {
      ...pace,
      call: call('stock', 'reserve'),
      status: call('stock', 'reserve-status'),
      compensate: call('stock', 'release'),
    })
    .pivot('pay', {
      ...pace,
      call: call('payment', 'pay'),
      status: call('payment', 'pay-status'),
      // For a run that is cancelled while the payment is under way.
      compensate: call('payment', 'refund'),
      returns: type<{ charge: string }>(),
    })
    .step('confirm', { ...pace, call: call('orders', 'confirm') })
    .step('notify', { ...pace, call: call('notification', 'notify') })
    .definition({ publish: { topic, types: ['saga.compensated'] } })
}

/** Which events each part consumes. */
const consumers: Readonly<Record<PartName, readonly (ShopEventType | 'saga.compensated')[]>> = {
  orders: ['stock.rejected', 'stock.released', 'payment.taken', 'saga.compensated'],
  stock: ['order.placed', 'payment.declined'],
  payment: ['stock.reserved'],
  notification: ['order.confirmed'],
}

const text = { type: 'string' }
const eventSchema = {
  type: 'object',
  properties: {
    order: {
      type: 'object',
      properties: { id: text, sku: text, quantity: { type: 'integer' }, total: { type: 'integer' }, card: text },
      required: ['id', 'sku', 'quantity', 'total', 'card'],
    },
    reason: text,
  },
  required: ['order'],
}

/**
 * Registers all that the shop needs: its topic, the types of its events, a consumer for each part and the saga. It may be repeated.
 * Returns the secrets that each part checks signatures with.
 */
export async function setUp(
  parley: ParleyServer,
  urls: PartUrls,
  pace: Pace = usualPace,
): Promise<Readonly<Record<PartName, readonly string[]>>> {
  await parley.request('PUT', `/v1/event-topics/${topic}`, {})
  for (const eventType of shopEventTypes)
    await parley.request('PUT', `/v1/event-types/${eventType}/versions/1`, { schema: eventSchema })
  await parley.defineSaga(sagaName, orderSaga(urls, pace))
  const ofSagas = await parley.sagaSecrets()
  const secretsOf = async (name: PartName) => {
    await parley.request('PUT', `/v1/consumers/${name}`, {
      topic,
      types: consumers[name],
      push: { url: `${urls[name]}/events`, timeoutSeconds: pace.timeoutSeconds },
      maxAttempts: pace.maxAttempts,
    })
    return [...ofSagas, ...(await parley.consumerSecrets(name))]
  }
  return {
    orders: await secretsOf('orders'),
    stock: await secretsOf('stock'),
    payment: await secretsOf('payment'),
    notification: await secretsOf('notification'),
  }
}
