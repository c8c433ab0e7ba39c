import { z } from 'zod'
import { recipientsNumberOf } from '../../../../durable-objects/address.ts'
import { callRecipients, callRecipientsNumbered } from '../../../../durable-objects/open-recipients.ts'
import type { Env } from '../../../env.ts'
import type { Channel } from '../../../notifications/model.ts'
import type { ProfileInput } from '../../../notifications/users/profile.ts'
import { explain } from '../../../protocol/explain.ts'
import { GivenJson, readGiven } from '../../../protocol/given-json.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { userId } from '../../../protocol/payloads.ts'
import {
  bulkResult,
  bulkUser,
  bulkUsers,
  documentedBulkUsers,
  patchUser,
  putTarget,
  putUser,
  target,
  targetId,
  user as userView,
  userPage,
  usersQuery,
  type TargetType,
} from '../../../protocol/users-api.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { takeItems } from '../../rate-limits/items.ts'
import { requireSelf } from '../users/self.ts'
import { pageOfActors } from './pages.ts'

const tag = 'Users'
const path = '/v1/users/{user}'
const params = z.object({ user: userId })
const targetParams = z.object({ user: userId, id: targetId })
const exampleProfile = { name: 'Ada Lovelace', email: 'ada@example.com', locale: 'en-GB', zone: 'Europe/London' }
const exampleUser = {
  id: 'ada',
  ...exampleProfile,
  properties: { plan: 'pro' },
  targets: [],
  createdAt: 1_790_000_000_000,
  updatedAt: 1_790_000_000_000,
}
const exampleTarget = { type: 'fcm', address: { token: 'bk3RNwTe3H0:CI2k_HHwgIpoDKCIZvvDMExUdFQ3P1' } } as const

const storeUser = operation(
  defineOperation({
    id: 'putUser',
    method: 'put',
    path,
    tag,
    summary: 'Store the profile of a user',
    description:
      'Replaces the whole profile; preferences and targets stay. Names are shown in chats and notifications. Answered with 201 for a new user.',
    access: 'server',
    params,
    body: putUser,
    responses: { 201: userView, 200: userView },
    example: { body: { ...exampleProfile, properties: { plan: 'pro' } }, response: exampleUser },
  }),
  async ({ c, caller, params: { user }, body }) => {
    const { json, isNew } = await callRecipients(c.env, caller.tenant, user, (own) => own.putUser(user, body))
    return isNew ? { status: 201, json } : { status: 200, json }
  },
)

const changeUser = operation(
  defineOperation({
    id: 'patchUser',
    method: 'patch',
    path,
    tag,
    summary: 'Change fields of a profile',
    description: 'Null removes a field. Custom properties are merged by their names.',
    access: 'server',
    params,
    body: patchUser,
    responses: { 200: userView },
    errors: ['too-large'],
    example: { body: { zone: 'Europe/Paris' }, response: { ...exampleUser, zone: 'Europe/Paris' } },
  }),
  async ({ c, caller, params: { user }, body }) => {
    const { json } = accepted(await callRecipients(c.env, caller.tenant, user, (own) => own.patchUser(user, body)))
    return { status: 200, json }
  },
)

const readUser = operation(
  defineOperation({
    id: 'readUser',
    method: 'get',
    path,
    tag,
    summary: 'Read a user',
    description: 'A user token reads its own user; `GET /v1/users?ids=` gives the public parts of others.',
    access: 'user-or-server',
    params,
    responses: { 200: userView },
    example: { response: exampleUser },
  }),
  async ({ c, caller, params: { user } }) => {
    requireSelf(caller, user)
    const json = await callRecipients(c.env, caller.tenant, user, (own) => own.user(user))
    return json === undefined ? noUser(user) : { status: 200, json }
  },
)

const storeUsers = operation(
  defineOperation({
    id: 'putUsers',
    method: 'post',
    path: '/v1/users',
    tag,
    summary: 'Store up to 1,000 profiles',
    description:
      'Each replaces the profile of its user. Good ones are stored, and each refused one is listed with the reason.',
    access: 'server',
    body: bulkUsers,
    documentedBody: documentedBulkUsers,
    responses: { 200: bulkResult },
    example: {
      body: { users: [{ id: 'ada', name: 'Ada Lovelace' }] },
      response: { stored: 1, refused: [] },
    },
  }),
  async ({ c, caller, body: { users } }) => {
    await takeItems(c.env, caller, users.length)
    const read = users.map(readBulkUser)
    const refused = read.flatMap((one, index) => ('reason' in one ? [{ index, id: one.id, reason: one.reason }] : []))
    const good = read.flatMap((one) => ('given' in one ? [one] : []))
    await storeEach(c.env, caller.tenant, good)
    return { status: 200, body: { stored: good.length, refused } }
  },
)

const listUsers = operation(
  defineOperation({
    id: 'listUsers',
    method: 'get',
    path: '/v1/users',
    tag,
    summary: 'List users, or read those with the given ids',
    description:
      'A user token must give `ids` and reads id, name and avatar, such as display names for a chat. The order of the list has no meaning. ' +
      'A page may have fewer users than `limit` while `next` is not null.',
    access: 'user-or-server',
    query: usersQuery,
    responses: { 200: userPage },
    example: { response: { users: [exampleUser], next: null } },
  }),
  async ({ c, caller, query: { ids, cursor, limit } }) => {
    if (ids !== undefined) {
      await takeItems(c.env, caller, ids.length)
      return { status: 200, json: listText(await usersById(c.env, caller.tenant, ids, caller.kind === 'user'), null) }
    }
    if (caller.kind === 'user')
      return fail(
        'invalid-request',
        'ids: a user token must give the ids of the users to read; only an API key lists them all',
      )
    const { items, next } = await pageOfActors(cursor, limit, async (actor, after, wanted) => {
      const { users, last } = await callRecipientsNumbered(c.env, caller.tenant, actor, (own) =>
        own.users(after, wanted),
      )
      return { items: users, last }
    })
    return { status: 200, json: listText(items, next) }
  },
)

const storeTarget = operation(
  defineOperation({
    id: 'putTarget',
    method: 'put',
    path: '/v1/users/{user}/targets/{id}',
    tag,
    summary: 'Register a push subscription or another target of a user',
    description:
      'The id is the client’s own, one for each device. A Web Push `address` is what `PushSubscription.toJSON()` gives. Targets that a ' +
      'provider says are gone are removed. Webhooks, Slack and Discord addresses need an API key.',
    access: 'user-or-server',
    params: targetParams,
    body: putTarget,
    responses: { 200: target },
    errors: ['conflict'],
    example: { body: exampleTarget, response: { id: 'phone', channel: 'push', ...exampleTarget } },
  }),
  async ({ c, caller, params: { user, id }, body: { type, address } }) => {
    requireSelf(caller, user)
    const channel = channelOf[type]
    // The tenant's Workers would post to an address of a user's choice.
    if (caller.kind === 'user' && channel !== 'push')
      return fail('not-allowed', `type: ${type} needs an API key; a user token registers web-push, fcm and apns`)
    const stored = { id, channel, type, address }
    accepted(await callRecipients(c.env, caller.tenant, user, (own) => own.putTarget(user, stored)))
    return { status: 200, body: stored }
  },
)

const removeTarget = operation(
  defineOperation({
    id: 'removeTarget',
    method: 'delete',
    path: '/v1/users/{user}/targets/{id}',
    tag,
    summary: 'Remove a target of a user, as at a sign-out; a repeat does no harm',
    access: 'user-or-server',
    params: targetParams,
    responses: { 204: null },
  }),
  async ({ c, caller, params: { user, id } }) => {
    requireSelf(caller, user)
    await callRecipients(c.env, caller.tenant, user, (own) => own.removeTarget(user, id))
    return { status: 204 }
  },
)

/** Profiles of a tenant's users, and the devices that they are reached on. */
export const profiles = [listUsers, storeUsers, readUser, storeUser, changeUser, storeTarget, removeTarget]

const channelOf: Readonly<Record<TargetType, Channel>> = {
  'web-push': 'push',
  fcm: 'push',
  apns: 'push',
  slack: 'chat',
  discord: 'chat',
  webhook: 'webhook',
}

const noUser = (user: string) => fail('not-found', `user: there is no user ${user}; PUT /v1/users/${user} creates one`)

interface GoodUser {
  readonly id: string
  readonly given: ProfileInput
}

/** One user of a bulk request, or the reason why it is refused. */
function readBulkUser(text: string): GoodUser | { readonly id: string | null; readonly reason: string } {
  const value: unknown = JSON.parse(text)
  const read = readGiven(bulkUser, new GivenJson(value, text))
  if (!read.success) return { id: idIn(value), reason: explain(read.error) }
  const { id, ...given } = read.data
  return { id, given }
}

function idIn(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || !('id' in value)) return null
  return typeof value.id === 'string' ? value.id.slice(0, 128) : null
}

/** Stores users with one call of each of their actors. Of an id that comes twice the last one counts. */
async function storeEach(env: Env, tenant: string, users: readonly GoodUser[]): Promise<void> {
  const byActor = Map.groupBy(users, ({ id }) => recipientsNumberOf(id))
  await Promise.all(
    [...byActor].map(([number, own]) =>
      callRecipientsNumbered(env, tenant, number, (recipients) => recipients.putUsers(own)),
    ),
  )
}

/** JSON texts of users in the order of their ids, without unknown ones. */
async function usersById(env: Env, tenant: string, ids: readonly string[], isPublic: boolean): Promise<string[]> {
  const byActor = Map.groupBy(new Set(ids), recipientsNumberOf)
  const found = await Promise.all(
    [...byActor].map(([number, own]) =>
      callRecipientsNumbered(env, tenant, number, (recipients) => recipients.usersById(own, isPublic)),
    ),
  )
  return found.flat()
}

const listText = (users: readonly string[], next: string | null): string =>
  `{"users":[${users.join(',')}],"next":${JSON.stringify(next)}}`
