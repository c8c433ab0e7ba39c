import { z } from 'zod'
import { conversationOf } from '../../../../durable-objects/address.ts'
import { admitActor, callInbox } from '../../../../durable-objects/open-actors.ts'
import { directKey } from '../../../conversations/create.ts'
import { conversationView, exampleConversation } from '../../../protocol/conversation-views.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { encodeWith } from '../../../kernel/json.ts'
import { sha256, uuidFrom, uuidv7 } from '../../../kernel/id.ts'
import { idempotencyKey, newConversation } from '../../../protocol/api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { noteChosenId, withTenantCheck } from '../../identity/conversation-ids.ts'
import { tenantRecordOf } from '../../identity/tenants.ts'
import { takeItems } from '../../rate-limits/items.ts'
import type { Caller } from './caller.ts'

const definition = defineOperation({
  id: 'createConversation',
  method: 'post',
  path: '/v1/conversations',
  tag: 'Conversations',
  summary: 'Create a conversation',
  description:
    'The same two users share one direct conversation. With an id of yours (API key only) or an Idempotency-Key the request can be repeated; a repeat is answered with 200.',
  access: 'user-or-server',
  headers: z.object({ 'Idempotency-Key': idempotencyKey.optional() }),
  body: newConversation,
  responses: { 201: conversationView, 200: conversationView },
  errors: ['conflict', 'blocked'],
  example: { body: { type: 'group', name: 'Lunch', members: ['alice', 'bob'] }, response: exampleConversation },
})

/** Makes a conversation, or finds the one that a repeat of the request made. */
export const createConversation = operation(definition, async ({ c, caller, headers, body: wanted }) => {
  const { tenant } = caller
  const members = membersOf(caller, wanted)
  await takeItems(c.env, caller, members.length)
  const createdBy = caller.kind === 'user' ? caller.user : ''
  const { id, isRepeatable } = await idFor(c.env, caller, wanted, members, headers['Idempotency-Key'])
  const { type, name = '', topic, avatar, properties } = wanted
  const shown = {
    ...(topic === undefined ? {} : { topic }),
    ...(avatar === undefined ? {} : { avatar }),
    ...(properties === undefined || properties === null ? {} : { properties }),
  }
  // Requests without further fields have the digest of earlier versions.
  const further = Object.keys(shown).length === 0 ? [] : [shown]
  const digested = JSON.stringify([type, name, members.toSorted(), ...further])
  const request = isRepeatable ? { request: await sha256(digested) } : {}
  if (type === 'direct') await refuseBlocked(c.env, caller, members)
  const grid = (await tenantRecordOf(c.env, tenant, systemClock.now()))?.rights?.[type]
  admitActor(c.env, { kind: 'conversation', tenant, name: id })
  const created = await conversationOf(c.env, tenant, id).create({
    tenant,
    id,
    type,
    name,
    members,
    createdBy,
    ...shown,
    ...(grid === undefined ? {} : { grid }),
    ...request,
  })
  const { view, properties: given, made } = accepted(created)
  if (made && type === 'direct') await noteBlocks(c.env, tenant, id, members)
  const json = encodeWith(view, { properties: given })
  return made ? { status: 201, json } : { status: 200, json }
})

/** A user has no direct conversation with one that blocks them; an API key may make it. */
async function refuseBlocked(env: Env, caller: Caller, members: readonly string[]): Promise<void> {
  if (caller.kind !== 'user') return
  const other = members.find((member) => member !== caller.user) ?? ''
  if (await callInbox(env, caller.tenant, other, (inbox) => inbox.blocksUser(caller.user)))
    fail('blocked', `members: ${other} has blocked you`)
}

/** A new direct conversation learns which of its members the other one blocks. Asked once it exists, so that a block meanwhile is seen. */
async function noteBlocks(env: Env, tenant: string, id: string, [first = '', second = '']: readonly string[]) {
  const pairs = [
    [first, second],
    [second, first],
  ] as const
  await Promise.all(
    pairs.map(async ([blocker, user]) => {
      if (await callInbox(env, tenant, blocker, (inbox) => inbox.blocksUser(user)))
        await conversationOf(env, tenant, id).setBlocked(user, true)
    }),
  )
}

type Wanted = z.output<typeof newConversation>

interface NewId {
  readonly id: string
  /** The caller chose it, directly or by a key, so that the same request again has the same one. */
  readonly isRepeatable: boolean
}

/** The id of a new conversation: that of the two users, the caller's own, one made of the idempotency key, or a fresh one. */
async function idFor(
  env: Env,
  caller: Caller,
  { type, id }: Wanted,
  members: readonly string[],
  key: string | undefined,
): Promise<NewId> {
  const { tenant } = caller
  if (id !== undefined && caller.kind === 'user')
    fail('not-allowed', 'id: only an API key may choose it; use the header Idempotency-Key')
  const checked = async (made: string) => await withTenantCheck(env, tenant, made)
  if (type === 'direct') return { id: await checked(await uuidFrom(directKey(tenant, members))), isRepeatable: false }
  if (id !== undefined) {
    await noteChosenId(env, tenant, id)
    return { id, isRepeatable: true }
  }
  if (key === undefined) return { id: await checked(uuidv7(systemClock.now())), isRepeatable: false }
  const creator = caller.kind === 'user' ? caller.user : ''
  const made = await uuidFrom(JSON.stringify(['conversation', tenant, creator, key]))
  return { id: await checked(made), isRepeatable: true }
}

/** Distinct members, the creator among them; a direct conversation has exactly two. */
function membersOf(caller: Caller, { type, members }: Wanted): string[] {
  const distinct = [...new Set(caller.kind === 'user' ? [caller.user, ...members] : members)]
  if (type === 'direct' && distinct.length !== 2)
    fail('invalid-request', 'members: a direct conversation has exactly two people')
  if (distinct.length === 0 && type !== 'channel') fail('invalid-request', 'members: at least one')
  return distinct
}
