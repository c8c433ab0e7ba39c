import { z } from 'zod'

/** An order as the parts of the shop send it to each other. `total` is in cents. */
export const orderShape = z.object({
  id: z.string().min(1).max(64),
  sku: z.string(),
  quantity: z.int().min(1),
  total: z.int().min(0),
  card: z.string(),
})
export type Order = z.output<typeof orderShape>

/** Events of the shop: what happened to an order, and for failures the reason. */
export const shopEventShape = z.object({
  type: z.enum([
    'order.placed',
    'order.confirmed',
    'order.cancelled',
    'stock.reserved',
    'stock.rejected',
    'stock.released',
    'payment.taken',
    'payment.declined',
  ]),
  data: z.object({ order: orderShape, reason: z.string().optional() }),
})
export type ShopEventType = z.output<typeof shopEventShape>['type']
export const shopEventTypes: readonly ShopEventType[] = shopEventShape.shape.type.options

/** What Parley publishes when it has compensated a run of the order saga: the input of the run has the order. */
const compensatedShape = z
  .object({
    type: z.literal('saga.compensated'),
    data: z.object({ input: z.object({ order: orderShape }), reason: z.string() }),
  })
  .transform(({ type, data: { input, reason } }) => ({ type, data: { order: input.order, reason } }))

/** Events that parts consume. */
export const consumedShape = z.union([shopEventShape, compensatedShape])
export type ConsumedEvent = z.output<typeof consumedShape>

/** The body of a step's call. */
export const stepShape = z.object({ order: orderShape, reason: z.string().nullish() })
export type StepInput = z.output<typeof stepShape>

/** The topic of the shop's events. */
export const topic = 'shop'
/** The saga of orders. */
export const sagaName = 'order'
