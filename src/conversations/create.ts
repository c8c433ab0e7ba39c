import { refuse, type Refusal } from '../protocol/errors.ts'
import { rightsOf } from './rights.ts'
import type { Conversation, ConversationType, Grid, Member } from './types.ts'

/** What a new conversation is asked to be; `members` are distinct. */
export interface NewConversation {
  readonly tenant: string
  readonly id: string
  readonly type: ConversationType
  readonly name: string
  readonly members: readonly string[]
  /** "" when the tenant's own server made it. */
  readonly createdBy: string
  readonly topic?: string
  readonly avatar?: string
  /** JSON text of an object. */
  readonly properties?: string
  /** The rights of roles, where the tenant has its own for this type. */
  readonly grid?: Grid
  /** A digest of the request, where the caller chose the id or an idempotency key: the same one again is a repeat. */
  readonly request?: string
}

/** What creating means: everything written at once, or the conversation that already is (a direct one is made once). */
export type CreateDecision =
  | { readonly kind: 'created'; readonly conversation: Conversation; readonly members: readonly Member[] }
  | { readonly kind: 'exists'; readonly conversation: Conversation }
  | Refusal

/**
 * Decides a creation; a repeat finds the same conversation. The creator owns a group or channel; a direct conversation has
 * no owner, and is never a conversation of another type that was given its id.
 */
export function decideCreate(
  existing: Conversation | undefined,
  wanted: NewConversation,
  epoch: string,
  now: number,
): CreateDecision {
  const { tenant, id, type, name, createdBy, request, topic, avatar, properties, grid } = wanted
  if (existing !== undefined && request !== undefined) {
    if (existing.createdBy !== createdBy || existing.request !== request)
      return refuse('conflict', 'id, Idempotency-Key: used before for another conversation')
    if (existing.deletedAt !== undefined)
      return refuse('conflict', 'id, Idempotency-Key: the conversation made with it was deleted')
  }
  if (existing !== undefined && existing.deletedAt === undefined)
    return existing.type === type
      ? { kind: 'exists', conversation: existing }
      : refuse(
          'conflict',
          `the id of this conversation belongs to a ${existing.type}; the tenant must delete that one first`,
        )
  const conversation: Conversation = {
    tenant,
    id,
    type,
    name,
    epoch,
    createdBy,
    createdAt: now,
    ...(request === undefined ? {} : { request }),
    ...(topic === undefined ? {} : { topic }),
    ...(avatar === undefined ? {} : { avatar }),
    ...(properties === undefined ? {} : { properties }),
    ...(grid === undefined ? {} : { grid, rights: rightsOf({ grid }) }),
    version: (existing?.version ?? 0) + 1,
  }
  const members = wanted.members.map((user): Member => ({
    user,
    role: type !== 'direct' && user === createdBy ? 'owner' : 'member',
    joinedAt: now,
    read: 0,
    joined: 0,
  }))
  return { kind: 'created', conversation, members }
}

/** The name of the one direct conversation of two users, to be digested into its id. */
export const directKey = (tenant: string, users: readonly string[]): string =>
  `direct:${tenant}:${JSON.stringify([...users].sort())}`
