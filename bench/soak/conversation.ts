import { Ledger } from './ledger.ts'

/** A conversation as the soak knows it. */
export interface Conversation {
  readonly id: string
  readonly channel: string
  readonly epoch: string
  readonly members: readonly string[]
  /** A room never goes quiet. */
  readonly isRoom: boolean
  readonly ledger: Ledger
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
    isRoom,
    changesAt,
  }: { readonly members: readonly string[]; readonly isRoom: boolean; readonly changesAt: number },
): Conversation => ({
  id,
  channel: `conversation:${id}`,
  epoch,
  members,
  isRoom,
  ledger: new Ledger(),
  isAwake: true,
  changesAt,
})
