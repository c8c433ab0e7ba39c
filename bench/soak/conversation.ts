import { Deliveries } from './deliveries.ts'

/** A conversation as the soak knows it. */
export interface Conversation {
  readonly id: string
  readonly channel: string
  readonly epoch: string
  readonly members: readonly string[]
  /** A conversation never goes quiet. */
  readonly isLarge: boolean
  readonly deliveries: Deliveries
  /** Whether users write here now; no client is subscribed to a quiet one, so that its actor is evicted. */
  isAwake: boolean
  /** When that changes. */
  changesAt: number
}

/** One that was made just now, which people begin to use at once. */
export const newConversation = (
  { id, epoch }: { readonly id: string; readonly epoch: string },
  {
    members,
    isLarge,
    changesAt,
  }: { readonly members: readonly string[]; readonly isLarge: boolean; readonly changesAt: number },
): Conversation => ({
  id,
  channel: `conversation:${id}`,
  epoch,
  members,
  isLarge,
  deliveries: new Deliveries(),
  isAwake: true,
  changesAt,
})
