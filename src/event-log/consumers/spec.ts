import { z } from 'zod'
import type { ConsumerRules } from './consumer.ts'

/** A consumer as it is configured. */
export interface ConsumerSpec extends ConsumerRules {
  readonly topic: string
  /** Versions in which types are handed out; a type that is not named is handed out as it was written. */
  readonly versions: Readonly<Record<string, number>>
  /** Where events are posted; null for a consumer that pulls. */
  readonly push: { readonly url: string; readonly timeoutSeconds: number } | null
  readonly ordered: boolean
  /** The webhook that this is; null for a consumer of the API. */
  readonly webhook: WebhookSettings | null
}

/** What a webhook has beside its consumer. */
export interface WebhookSettings {
  readonly name: string
  readonly description: string
  /** Types and groups of types as they were given. */
  readonly events: readonly string[]
}

/** A spec as it is stored. */
export const storedSpec: z.ZodType<ConsumerSpec> = z.object({
  topic: z.string(),
  types: z.array(z.string()),
  keys: z.array(z.string()),
  sources: z.array(z.string()),
  condition: z.string().nullable(),
  versions: z.record(z.string(), z.number()),
  parallel: z.number(),
  maxAttempts: z.number(),
  push: z.object({ url: z.string(), timeoutSeconds: z.number() }).nullable(),
  ordered: z.boolean().default(true),
  webhook: z
    .object({ name: z.string(), description: z.string(), events: z.array(z.string()) })
    .nullable()
    .default(null),
})

/** The id of a webhook's delivery: its name has neither full stops nor slashes. */
export const webhookDeliveryId = (webhook: string, offset: number): string => `${webhook}-${offset}`

/** The id of a delivery, the same for each attempt: no full stops, as Standard Webhooks asks for. */
export const deliveryId = (consumer: string, topic: string, offset: number): string =>
  [consumer, topic, String(offset)].map((part) => encodeURIComponent(part).replaceAll('.', '%2E')).join('/')
