import { createMiddleware } from 'hono/factory'
import { inboxNotesOf } from '../../../durable-objects/address.ts'
import { hasCheck, withCheck } from '../../conversations/conversation-ids.ts'
import type { Env } from '../../env.ts'
import { systemClock } from '../../kernel/clock.ts'
import { refuse } from '../../protocol/errors.ts'
import { conversationId } from '../../protocol/payloads.ts'
import type { App } from '../http/context.ts'
import { accepted } from '../http/problem.ts'
import { known } from '../middleware/authenticate.ts'
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

/** Answers requests about a conversation that cannot be like those about one that the caller may not see. */
export const onlyPossibleConversations = () =>
  createMiddleware<App>(async function onlyPossibleConversations(c, next) {
    const id = conversationId.safeParse(c.req.param('id'))
    if (id.success && !(await mayBeConversation(c.env, known(c).tenant, id.data))) accepted(refuse('notFound'))
    return await next()
  })

const secretOf = async (env: Env, tenant: string): Promise<string | undefined> =>
  (await admissionOf(env, tenant, systemClock.now()))?.secrets.conversationIdSecret
