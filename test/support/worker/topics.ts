import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm } from 'cloudflare:test'
import { call } from './http.ts'
import { Line } from './line.ts'
import { succeeded, type TestTenant } from './tenant.ts'
import type { Heard } from './wire.ts'

/** Everything is allowed to every user: what a test is not about is open. */
export const lively = {
  historySize: 10,
  historyTtlSeconds: 300,
  presence: true,
  joinLeave: true,
  allow: { subscribe: 'users', publish: 'users', history: 'users', presence: 'users' },
}

/** Makes or changes a namespace of a tenant. */
export async function namespace(tenant: TestTenant, name: string, wanted: object): Promise<void> {
  succeeded(await call(`PUT /v1/namespaces/${name}`, { as: tenant.key, body: wanted }))
}

/** A token with more claims than the user id. */
export async function tokenFor(tenant: TestTenant, user: string, more: object): Promise<string> {
  return succeeded(await call('POST /v1/tokens', { as: tenant.key, body: { user, ...more } })).token
}

/** A token for one topic. */
export async function ticketFor(tenant: TestTenant, user: string, channel: string, more: object = {}): Promise<string> {
  return succeeded(await call('POST /v1/tokens/subscription', { as: tenant.key, body: { user, channel, ...more } }))
    .token
}

/** A gateway that no other test uses. */
export const ownGateway = () => `topics-${crypto.randomUUID()}/0`

/** A connection, by its token. */
export async function connect(token: string, gateway?: string, more: object = {}): Promise<Line> {
  const line = await Line.open(gateway)
  const { connect: welcome, error } = await line.ask({ connect: { token, ...more } })
  if (welcome === undefined) throw new Error(`not let in: ${JSON.stringify(error)}`)
  return line
}

export const topicOf = (tenant: TestTenant, channel: string) => env.TOPIC.getByName(`${tenant.id}/${channel}`)

export const ringTopic = async (tenant: TestTenant, channel: string) =>
  await runDurableObjectAlarm(topicOf(tenant, channel))

/** The next thing published in a channel. */
export async function published(line: Line, channel: string) {
  const said = ({ push }: Heard) => push?.channel === channel && push.pub !== undefined
  return (await line.next(`a publication in ${channel}`, said)).push!.pub!
}

/** What else came of a channel. */
export const alsoOf = async (line: Line, channel: string) =>
  (await line.rest()).filter(({ push }) => push?.channel === channel)
