import { describe, expect, test } from 'vitest'
import { methodNames } from '../../durable-objects/parts/methods.ts'
import { operations, type Operation } from '../../src/edge/openapi.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { sampleOf, type Named } from '../support/worker/sample.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

// Made from the tables the code runs on: a new route, rpc or kind of channel is swapped here without being told.

/** What a tenant has of each kind that can be named in a path or body. */
interface Things {
  readonly conversation: string
  readonly job: string
  readonly name: string
}

/** A tenant with one of everything. */
async function furnished(): Promise<{ readonly tenant: TestTenant; readonly things: Things }> {
  const tenant = await newTenant()
  const conversation = await tenant.group('alice', 'bob')
  await tenant.post(conversation, 'alice', 'between us')
  const name = `n${crypto.randomUUID().slice(0, 8)}`
  const put = async (path: string, body: object) => succeeded(await call(`PUT ${path}`, { as: tenant.key, body }))
  await put(`/v1/limits/policies/${name}`, { algorithm: 'fixed-window', limit: 5, windowSeconds: 60 })
  await put(`/v1/namespaces/${name}`, {})
  const later = { id: `job-${name}`, type: 'join', runAt: Date.now() + 3_600_000 }
  const { status } = await call('POST /v1/jobs', { as: tenant.key, body: later })
  return { tenant, things: { conversation, job: status < 300 ? later.id : '', name } }
}

const nothing = (): Things => ({
  conversation: crypto.randomUUID(),
  job: `job-${crypto.randomUUID().slice(0, 8)}`,
  name: `n${crypto.randomUUID().slice(0, 8)}`,
})

/** A path's parameter names a thing of the kind that stands before it. */
function pathOf({ path }: Operation, { conversation, job, name }: Things): string {
  const ids: Readonly<Record<string, string>> = { conversations: conversation, jobs: job }
  return path
    .replace(/\/(\w+)\/\{id\}/, (_, kind: string) => `/${kind}/${ids[kind] ?? name}`)
    .replace('{name}', name)
    .replace('{seq}', '1')
    .replace('{user}', 'bob')
    .replaceAll(/\{\w+\}/g, name)
}

const named = ({ conversation, job, name }: Things): Named => ({
  members: ['bob'],
  user: 'bob',
  clientId: 'swapped',
  text: 'swapped',
  policy: name,
  queue: name,
  channel: `conversation:${conversation}`,
  channels: [`conversation:${conversation}`],
  conversation,
  after: [job],
  url: 'https://example.com/hook',
})

async function answer(operation: Operation, as: string | undefined, things: Things): Promise<[number, string]> {
  const { method, body } = operation
  const sample = body === undefined ? undefined : sampleOf(body, named(things))
  const line = `${method.toUpperCase()} ${pathOf(operation, things)}`
  const { status, text } = await call(line, { ...(as === undefined ? {} : { as }), body: sample })
  return [status, blank(text, things)]
}

/** What differs by chance, and the names that were asked for, made alike. */
function blank(text: string, { conversation, job, name }: Things): string {
  let alike = text
  for (const one of [conversation, job, name]) alike = alike.replaceAll(one, '…')
  return alike
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…')
    .replaceAll(/\bt[0-9a-f]{32}\b/g, '…')
    .replaceAll(/eyJ[\w.-]+|whsec_[\w+/=]+/g, '…')
    .replaceAll(/"epoch":"[^"]*"/g, '…')
    .replaceAll(/\d{9,}|"(?:remaining|used|resetMs|retryAfterMs)":\d+/g, '…')
}

const tellOf = (operation: Operation) => `${operation.method.toUpperCase()} ${operation.path}`

/** All answers of one caller, by operation. */
async function answers(as: string | undefined, things: Things): Promise<Record<string, [number, string]>> {
  const all: Record<string, [number, string]> = {}
  for (const operation of operations) all[tellOf(operation)] = await answer(operation, as, things)
  return all
}

describe('every documented operation', () => {
  test('answers alike for what another tenant has and for what nobody has, with key and token', async () => {
    const theirs = await furnished()
    const before = await reading(theirs)
    for (const credential of [(tenant: TestTenant) => tenant.key, (tenant: TestTenant) => tenant.token('alice')]) {
      const [here, elsewhere] = [await newTenant(), await newTenant()]
      const there = await answers(await credential(here), theirs.things)
      expect(there).toEqual(await answers(await credential(elsewhere), nothing()))
      expect(served(there)).toEqual([])
    }
    expect(await reading(theirs)).toEqual(before)
  })

  test('answers a stranger of the same tenant alike for a conversation of others and for none', async () => {
    const { tenant, things } = await furnished()
    const other = await furnished()
    const there = await answers(await tenant.token('mallory'), things)
    const nowhere = await answers(await other.tenant.token('mallory'), {
      ...other.things,
      conversation: nothing().conversation,
    })
    const about = ([line]: [string, unknown]) => line.includes('/conversations/{id}')
    expect(Object.entries(there).filter(about)).toEqual(Object.entries(nowhere).filter(about))
    expect(served(there)).toEqual([])
  })

  test('is closed to whoever shows nothing, or nothing that is worth anything', async () => {
    const { things, tenant } = await furnished()
    for (const as of [undefined, 'nonsense', `${tenant.key}x`, `${await tenant.token('alice')}x`])
      for (const operation of operations) {
        const line = `${operation.method.toUpperCase()} ${pathOf(operation, things)}`
        // Not even what is wrong with a body is for strangers.
        const body = operation.body === undefined ? undefined : { wrong: true }
        const { status } = await call(line, { ...(as === undefined ? {} : { as }), body })
        expect({ line: tellOf(operation), status }).toEqual({ line: tellOf(operation), status: 401 })
      }
  })
})

/** Conversations of others that were served, or refused for another reason than that there is none. */
const served = (all: Readonly<Record<string, [number, string]>>) =>
  Object.entries(all).flatMap(([line, [status]]) =>
    line.includes('/conversations/{id}') && status !== 404 ? [`${line}: ${status}`] : [],
  )

/** All that a tenant's server can read of its own things. */
async function reading({ tenant, things }: Awaited<ReturnType<typeof furnished>>): Promise<unknown> {
  const all: Record<string, unknown> = {}
  for (const operation of operations.filter(({ method, path }) => method === 'get' && path.includes('{')))
    all[tellOf(operation)] = await answer(operation, tenant.key, things)
  return all
}

/** What an rpc is asked with beside its conversation; one that is not named here takes nothing else. */
const payloads: Readonly<Record<string, object>> = {
  'message.send': { clientId: 'swapped', text: 'swapped' },
  'message.edit': { seq: 1, text: 'swapped' },
  'message.delete': { seq: 1 },
  'conversation.read': { seq: 1 },
}

describe('over a socket', () => {
  test('every rpc answers alike for a conversation of another tenant, of other people, and for none', async () => {
    const [mine, theirs] = [await furnished(), await furnished()]
    const mallory = await connectAs(mine.tenant, 'mallory')
    const about = methodNames.filter((method) => method !== 'inbox.list')
    for (const method of about) {
      const told: unknown[] = []
      for (const conversation of [theirs.things.conversation, mine.things.conversation, nothing().conversation])
        told.push((await mallory.rpc(method, { conversation, ...payloads[method] })).error)
      expect({ method, told }).toEqual({
        method,
        told: told.map(() => ({ code: 404, message: 'no such conversation' })),
      })
    }
  })

  test('every kind of channel answers alike for what is another tenant’s, other people’s, and nobody’s', async () => {
    const [mine, theirs] = [await furnished(), await furnished()]
    const mallory = await connectAs(mine.tenant, 'mallory')
    const kinds: readonly ((things: Things, user: string) => string)[] = [
      ({ conversation }) => `conversation:${conversation}`,
      (_, user) => `user:#${user}`,
      ({ job }) => `jobs:${job}`,
    ]
    for (const channelOf of kinds) {
      const channels = [
        channelOf(theirs.things, 'alice'),
        channelOf(mine.things, 'bob'),
        channelOf(nothing(), 'nobody'),
      ]
      for (const ask of ['subscribe', 'history', 'presence', 'presence_stats', 'publish'] as const) {
        const told: unknown[] = []
        for (const channel of channels)
          told.push(
            (
              await mallory.line.ask({
                [ask]: { channel, ...(ask === 'publish' ? { data: payloads['message.send'] } : {}) },
              })
            ).error,
          )
        expect({ ask, channels, told }).toEqual({ ask, channels, told: channels.map(() => told[0]) })
        expect(told[0]).toBeDefined()
      }
    }
  })
})
