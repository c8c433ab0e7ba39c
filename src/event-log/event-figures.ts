import type { DeliveryOutcome } from './consumers/consumer.ts'

/** What this process did with events since it began. Each process counts by itself. */
export const eventFigures = {
  appended: 0,
  /** Events that were given again, which had no effect. */
  duplicates: 0,
  /** Endpoints of webhooks that were disabled. */
  webhooksDisabled: 0,
  deliveries: { done: 0, retry: 0, dead: 0, released: 0 } satisfies Record<DeliveryOutcome['kind'], number>,
}

export const countDelivery = ({ kind }: DeliveryOutcome): void => void eventFigures.deliveries[kind]++
