import { currentRequest } from '../../../adapters/request-context.ts'
import { Hono } from 'hono'
import type { z } from 'zod'
import { conversationOf, inboxOf } from '../../../../durable-objects/address.ts'
import type { ConversationView } from '../../../../durable-objects/conversation/conversation.ts'
import type { Principal } from '../../../auth/principal.ts'
import { directKey } from '../../../conversations/create.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { sha256, uuidFrom, uuidv7 } from '../../../kernel/id.ts'
import {
  conversationChange,
  idempotencyKey,
  listQuery,
  memberChange,
  membersQuery,
  newConversation,
  newMembers,
  newRead,
} from '../../../protocol/api.ts'
import { conversationChannel } from '../../../protocol/channels.ts'
import { explain } from '../../../protocol/commands.ts'
import { conversationId, userId } from '../../../protocol/payloads.ts'
import { encodeInfo } from '../../../protocol/replies.ts'
import type { StreamVerb } from '../../../protocol/stream.ts'
import type { App, AppContext } from '../../http/context.ts'
import { takeMessageToken } from '../../rate-limits/platform-limits.ts'
import { body, param, query } from '../../http/input.ts'
import { takeItems } from '../../rate-limits/items.ts'
import { noteChosenId, possibleConversation, withTenantCheck } from '../../identity/conversation-ids.ts'
import { known } from '../../middleware/authenticate.ts'
import { accepted, fail } from '../../http/problem.ts'

type Known = Exclude<Principal, { kind: 'anonymous' }>

/** Conversations and their members. */
export const conversations = new Hono<App>()
  .post('/', async (c) => {
    const principal = known(c)
    const wanted = await body(c, newConversation)
    const members = membersOf(principal, wanted)
    await takeItems(c.env, principal, members.length)
    const createdBy = principal.kind === 'user' ? principal.user : ''
    const { id, isRepeatable } = await idFor(c, principal, wanted, members)
    const request = JSON.stringify([wanted.type, wanted.name ?? '', members.toSorted()])
    const created = accepted(
      await conversationOf(c.env, principal.tenant, id).create({
        tenant: principal.tenant,
        id,
        type: wanted.type,
        name: wanted.name ?? '',
        members,
        createdBy,
        ...(isRepeatable ? { request: await sha256(request) } : {}),
      }),
    )
    return c.json(toView(created), created.made ? 201 : 200)
  })
  .get('/', async (c) => {
    const principal = known(c)
    const { cursor, limit, user } = query(c, listQuery)
    const whose =
      principal.kind === 'user'
        ? principal.user
        : (user ?? fail('invalid-request', 'user: whose conversations? An API key must say'))
    if (principal.kind === 'user' && user !== undefined && user !== principal.user)
      fail('not-allowed', 'user: only your own list')
    const page = accepted(await inboxOf(c.env, principal.tenant, whose).list(cursor, limit))
    return c.json({ conversations: page.conversations, next: page.next })
  })
  .get('/:id', async (c) => c.json(toView(accepted(await stub(c).describe(actorOf(known(c)))))))
  .patch('/:id', async (c) => {
    const { name } = await body(c, conversationChange)
    await limitMessages(c)
    return c.json(toView(accepted(await stub(c).change(actorOf(known(c)), { kind: 'rename', name }))))
  })
  .delete('/:id', async (c) => {
    accepted(await stub(c).remove(actorOf(known(c))))
    return c.body(null, 204)
  })
  .post('/:id/read', async (c) => {
    const { seq, user } = await body(c, newRead)
    return c.json(await execute(c, { kind: 'read', seq }, readerOf(known(c), user)))
  })
  .get('/:id/presence', async (c) => {
    const { clients } = accepted(await stub(c).presence(actorOf(known(c))))
    return c.body(`{"clients":[${clients.map(encodeInfo).join(',')}]}`, 200, { 'content-type': 'application/json' })
  })
  .get('/:id/members', async (c) => {
    const { cursor, limit } = query(c, membersQuery)
    const { members } = accepted(await stub(c).listMembers(actorOf(known(c)), cursor, limit + 1))
    const page = members.slice(0, limit)
    return c.json({ members: page, next: members.length > limit ? (page.at(-1)?.user ?? null) : null })
  })
  .post('/:id/members', async (c) => {
    const { members } = await body(c, newMembers)
    await limitMessages(c)
    await takeItems(c.env, known(c), members.length)
    return c.json(
      toView(accepted(await stub(c).change(actorOf(known(c)), { kind: 'add', users: [...new Set(members)] }))),
    )
  })
  .patch('/:id/members/:user', async (c) => {
    const user = param(c, 'user', userId)
    const { role } = await body(c, memberChange)
    await limitMessages(c)
    accepted(await stub(c).change(actorOf(known(c)), { kind: 'role', user, role }))
    return c.json({ user, role })
  })
  .delete('/:id/members/:user', async (c) => {
    const user = param(c, 'user', userId)
    await limitMessages(c)
    accepted(await stub(c).change(actorOf(known(c)), { kind: 'remove', user }))
    return c.body(null, 204)
  })

/** The conversation a path names, in the caller's own tenant and no other. */
export const stub = (c: AppContext) => possibleConversation(c.env, known(c).tenant, param(c, 'id', conversationId))

/** Whatever adds to a log counts as a message, by the same buckets as over the socket. The tenant's own server is limited by its requests alone. */
export async function limitMessages(c: AppContext): Promise<void> {
  const principal = known(c)
  if (principal.kind !== 'user') return
  const channel = conversationChannel(param(c, 'id', conversationId))
  await takeMessageToken(c.env, principal.tenant, principal.user, channel)
}

/** How an actor knows the caller; `user` is given when an API key speaks for one. */
export const actorOf = (principal: Known, user = '') =>
  principal.kind === 'user' ? { user: principal.user, client: '', server: false } : { user, client: '', server: true }

/** Runs one command as the caller, or as `user` that an API key names, and returns its result's data. */
export async function execute(c: AppContext, verb: StreamVerb, user = ''): Promise<unknown> {
  const actor = actorOf(known(c), user)
  const request = currentRequest()
  const { results } = await stub(c).execute({ gateway: null, have: null, commands: [{ ...actor, ...verb }], request })
  const result = results[0]
  if (result === undefined) return fail('internal-error', 'no answer')
  const done = accepted(result)
  return done.kind === 'done' ? JSON.parse(done.data) : fail('internal-error', 'unexpected answer')
}

/** Whose place moves: a user's own, or that of the member an API key names. */
function readerOf(principal: Known, user: string | undefined): string {
  if (principal.kind === 'server') return user ?? ''
  if (user !== undefined && user !== principal.user) fail('not-allowed', 'user: only an API key may read for others')
  return principal.user
}

interface NewId {
  readonly id: string
  /** The caller chose it, directly or by a key, so that the same request again has the same one. */
  readonly isRepeatable: boolean
}

/** The id of a new conversation: that of the two users, the caller's own, one made of the idempotency key, or a fresh one. */
async function idFor(
  c: AppContext,
  principal: Known,
  { type, id }: z.output<typeof newConversation>,
  members: readonly string[],
): Promise<NewId> {
  const { tenant } = principal
  const header = c.req.header('idempotency-key')
  const key = idempotencyKey.optional().safeParse(header)
  if (!key.success) return fail('invalid-request', `Idempotency-Key: ${explain(key.error)}`)
  if (id !== undefined && principal.kind === 'user')
    fail('not-allowed', 'id: only an API key may choose it; use the header Idempotency-Key')
  const checked = async (made: string) => await withTenantCheck(c.env, tenant, made)
  if (type === 'direct') return { id: await checked(await uuidFrom(directKey(tenant, members))), isRepeatable: false }
  if (id !== undefined) {
    await noteChosenId(c.env, tenant, id)
    return { id, isRepeatable: true }
  }
  if (key.data === undefined) return { id: await checked(uuidv7(systemClock.now())), isRepeatable: false }
  const creator = principal.kind === 'user' ? principal.user : ''
  const made = await uuidFrom(JSON.stringify(['conversation', tenant, creator, key.data]))
  return { id: await checked(made), isRepeatable: true }
}

/** Distinct members, the creator among them; a direct conversation has exactly two. */
function membersOf(principal: Known, { type, members }: z.output<typeof newConversation>): string[] {
  const distinct = [...new Set(principal.kind === 'user' ? [principal.user, ...members] : members)]
  if (type === 'direct' && distinct.length !== 2)
    fail('invalid-request', 'members: a direct conversation has exactly two people')
  if (distinct.length === 0 && type !== 'channel') fail('invalid-request', 'members: at least one')
  return distinct
}

function toView({ conversation, last, members, memberCount, read }: ConversationView) {
  const { id, type, name, epoch, createdBy, createdAt } = conversation
  return { id, type, name, epoch, createdBy, createdAt, last, read, members, memberCount }
}
