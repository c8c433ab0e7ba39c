import { z } from 'zod'
import type { ConversationType } from '../../../../src/conversations/types.ts'
import { call } from '../http.ts'
import { succeeded, type TestTenant } from '../tenant.ts'
import { complete, growing, userOf, type Cast } from './cast.ts'

const seq = z.object({ seq: z.int() })

/** A conversation in which every user has the role of its name, and each of them has sent a message. */
export interface Scene {
  readonly id: string
  readonly type: ConversationType
  /** A member that operations are tried on, a member of no other conversation. */
  readonly friend: string
  /** Where the message of each user stands. */
  readonly said: ReadonlyMap<string, number>
  /** A file of each user that no message names. */
  readonly files: ReadonlyMap<string, string>
}

const crowd = [
  userOf.owner,
  userOf.admin,
  userOf.moderator,
  userOf.reader,
  userOf.member,
  userOf.removed,
  userOf.revoked,
]
const cast: Readonly<Record<ConversationType, readonly string[]>> = {
  group: crowd,
  channel: crowd,
  direct: [userOf.member],
}

export async function newScene({ tenant, shows }: Cast, type: ConversationType): Promise<Scene> {
  const friend = `friend-${crypto.randomUUID().slice(0, 8)}`
  const members = [...cast[type], friend]
  const profiles = [...new Set([...Object.values(userOf), friend])].filter((id) => id !== '').map((id) => ({ id }))
  succeeded(await call('POST /v1/users', { as: tenant.key, body: { users: profiles } }))
  const name = type === 'direct' ? {} : { name: 'Lunch' }
  const as = type === 'direct' ? tenant.key : (shows.owner ?? '')
  const { id } = succeeded(await call('POST /v1/conversations', { as, body: { type, members, ...name } }))
  const said = await speak(tenant, id, ['', ...members])
  const files = new Map<string, string>()
  for (const user of ['', ...members]) files.set(user, await tenant.upload(id, user))
  if (type !== 'direct') {
    for (const role of ['admin', 'moderator', 'reader'] as const)
      succeeded(await call(`PATCH /v1/conversations/${id}/members/${userOf[role]}`, { as, body: { role } }))
    succeeded(await tenant.remove(id, userOf.removed))
  }
  return { id, type, friend, said, files }
}

/** Where the words of each came to stand. */
async function speak(tenant: TestTenant, conversation: string, who: readonly string[]): Promise<Map<string, number>> {
  const by = (user: string) => ({ user, client: '', server: true })
  const content = { clientId: complete, text: 'between us' }
  const begin = { kind: 'command', name: 'message.begin', input: { clientId: growing } } as const
  const commands = [
    ...who.map((user) => ({ kind: 'send' as const, ...by(user), content })),
    ...who.map((user) => ({ ...begin, ...by(user) })),
  ]
  const { results } = await tenant.actorOf(conversation).execute({ gateway: null, have: null, commands })
  const places = results
    .slice(0, who.length)
    .map((result) => seq.parse(JSON.parse(result.kind === 'done' ? result.data : '{}')).seq)
  return new Map(who.map((user, index) => [user, places[index] ?? 0]))
}

/** What the tenant's server sees of a conversation, and of what is to happen in it later. */
export async function stateOf({ tenant }: Cast, { id }: Scene): Promise<unknown> {
  const path = `/v1/conversations/${id}`
  const asked = [path, `${path}/messages?limit=100`, '/v1/queues/default/jobs?state=delayed']
  return await Promise.all(asked.map(async (one) => (await call(`GET ${one}`, { as: tenant.key })).body))
}
