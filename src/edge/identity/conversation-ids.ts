import { conversationOf, inboxNotesOf } from '../../../durable-objects/address.ts'
import { refuseAll } from '../../conversations/apply-commands.ts'
import type { Actor } from '../../conversations/types.ts'
import { hasCheck, withCheck } from '../../conversations/conversation-ids.ts'
import type { Env } from '../../env.ts'
import { systemClock } from '../../kernel/clock.ts'
import { refuse, type ErrorName } from '../../protocol/errors.ts'
import type { HistoryQuery, StreamAnswer, StreamCall } from '../../protocol/stream.ts'
import type { PresenceForm } from '../../realtime/presence-table.ts'
import { admissionOf } from './tenants.ts'

/**
 * Whether the tenant may have a conversation of that id: it carries the tenant's check, or was chosen by the tenant's server
 * and noted. No actor is woken for any other id. Tenants of earlier versions have no secret, and any id may be theirs.
 */
export async function mayBeConversation(env: Env, tenant: string, id: string): Promise<boolean> {
  const secret = await secretOf(env, tenant)
  return secret === undefined || (await hasCheck(id, secret)) || (await inboxNotesOf(env, tenant, id).hasChosenId(id))
}

/** An id for a new conversation, with the check of the tenant. */
export async function withTenantCheck(env: Env, tenant: string, id: string): Promise<string> {
  const secret = await secretOf(env, tenant)
  return secret === undefined ? id : await withCheck(id, secret)
}

/** Notes an id that the tenant's server chose, before its conversation is created. */
export const noteChosenId = async (env: Env, tenant: string, id: string): Promise<void> =>
  await inboxNotesOf(env, tenant, id).noteChosenId(id)

/**
 * A conversation as the edge calls it. An id that cannot be one of the tenant's is refused like a conversation that the
 * caller may not see, and its actor is not woken.
 */
export function possibleConversation(env: Env, tenant: string, id: string) {
  const conversation = conversationOf(env, tenant, id)
  const ask = async <T>(call: () => Promise<T>, name: ErrorName = 'notFound') =>
    (await mayBeConversation(env, tenant, id)) ? await call() : refuse(name)
  return {
    admitsWriter: (actor: Actor) => ask(async () => await conversation.admitsWriter(actor)),
    history: (actor: Actor, query: HistoryQuery) =>
      ask(async () => await conversation.history(actor, query), 'permissionDenied'),
    presence: (actor: Actor, form: PresenceForm) =>
      ask(async () => await conversation.presence(actor, form), 'permissionDenied'),
    execute: async (call: StreamCall): Promise<StreamAnswer> =>
      (await mayBeConversation(env, tenant, id)) ? await conversation.execute(call) : refuseAll(call),
  }
}

const secretOf = async (env: Env, tenant: string): Promise<string | undefined> =>
  (await admissionOf(env, tenant, systemClock.now()))?.secrets.conversationIdSecret
