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
export type ShopEvent = z.output<typeof shopEventShape>
export type ShopEventType = ShopEvent['type']
export const shopEventTypes: readonly ShopEventType[] = shopEventShape.shape.type.options

/** The body of a step's call. */
export const stepShape = z.object({ order: orderShape, reason: z.string().nullish() })
export type StepInput = z.output<typeof stepShape>

/** The topic of the shop's events. */
export const topic = 'shop'
/** The saga of orders. */
export const sagaName = 'order'
