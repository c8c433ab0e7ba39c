import { env } from 'cloudflare:workers'
import { randomToken, uuidv7 } from '../../../src/kernel/id.ts'
import type { OwnLimits } from '../../../src/protocol/tenant-limits.ts'
import { call, type Answer, type Body } from './http.ts'

export const operatorKey = 'operator-of-the-tests'

/** A tenant of one's own, so that no test sees another's people: what its server and its users can do. */
export class TestTenant {
  readonly id: string
  readonly key: string

  constructor(id: string, key: string) {
    this.id = id
    this.key = key
  }

  async token(user: string, ttlSeconds = 3600): Promise<string> {
    return succeeded(await call('POST /v1/tokens', { as: this.key, body: { user, ttlSeconds } })).token
  }

  /** Starts a group as the first of `members`, its owner; the id. */
  async group(...members: string[]): Promise<string> {
    return await this.conversation({ type: 'group', name: 'Lunch', members })
  }

  async channel(...members: string[]): Promise<string> {
    return await this.conversation({ type: 'channel', name: 'News', members })
  }

  async conversation(wanted: { type: string; name: string; members: readonly string[] }): Promise<string> {
    const [owner = ''] = wanted.members
    const as = owner === '' ? this.key : await this.token(owner)
    return succeeded(await call('POST /v1/conversations', { as, body: wanted })).id
  }

  /** A message over HTTP, in the name of `user`. */
  async post(conversation: string, user: string, text: string, clientId = crypto.randomUUID()): Promise<Answer> {
    const body = { clientId, text, user }
    return await call(`POST /v1/conversations/${conversation}/messages`, { as: this.key, body })
  }

  async postMany(conversation: string, user: string, count: number): Promise<void> {
    for (let n = 1; n <= count; n++) succeeded(await this.post(conversation, user, `message ${n}`))
  }

  /** A complete file of a member that no message names; there are no bytes of it. */
  async upload(conversation: string, user: string): Promise<string> {
    const actor = { user, client: '', server: user === '' }
    const id = randomToken(22)
    const file = { name: 'lunch.png', type: 'image/png', size: 1 }
    for (const action of [{ kind: 'begin', id, ...file } as const, { kind: 'complete', id } as const])
      await this.actorOf(conversation).applyUpload(actor, action)
    return id
  }

  async remove(conversation: string, user: string): Promise<Answer> {
    return await call(`DELETE /v1/conversations/${conversation}/members/${user}`, { as: this.key })
  }

  actorOf(conversation: string) {
    return env.CONVERSATION.getByName(`${this.id}/${conversation}`)
  }

  inboxOf(user: string) {
    return env.INBOX.getByName(`${this.id}/${user}`)
  }
}

const generous = {
  messagesPerSecond: 10_000,
  messagesBurst: 10_000,
  requestsPerSecondUser: 10_000,
  requestsPerSecondKey: 10_000,
  connectionsPerUser: 100,
}

/** Opens a tenant that no other test knows. */
export async function newTenant(limits: OwnLimits = {}): Promise<TestTenant> {
  const id = `t${uuidv7(Date.now()).replaceAll('-', '')}`
  const wanted = { name: 'Test', limits: { ...generous, ...limits } }
  const { apiKey } = succeeded(await call(`PUT /admin/v1/tenants/${id}`, { as: operatorKey, body: wanted }))
  return new TestTenant(id, apiKey)
}

/** The body of an answer that a story builds on; anything but a success ends the story here. */
export function succeeded({ status, text, body }: Answer): Body {
  if (status >= 300) throw new Error(`answered ${status}: ${text}`)
  return body
}
