import { expect, test } from 'vitest'
import { z } from 'zod'
import { Person } from '../support/e2e/people.ts'
import { until } from '../support/e2e/until.ts'
import type { Answer, TestSystem, World } from '../support/apart/system.ts'

/** What other parts of the system may count on from jobs, limits, notifications and events, wherever they run. */
export function contextsContract(systemOf: () => TestSystem, worldOf: () => World): void {
  const { call } = { call: (...given: Parameters<TestSystem['call']>) => systemOf().call(...given) }
  const url = (path: string) => `http://${worldOf().endpoint}${path}`
  const unique = () => crypto.randomUUID().slice(0, 8)
  const calledAt = (path: string) => until(`the endpoint was called at ${path}`, () => worldOf().wasCalled(path))

  test('a job of the tenant’s server is run once, and the request’s trace reaches the endpoint', async () => {
    const id = `job-${unique()}`
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const job = { id, url: url(`/${id}`), payload: { user: 'ada' } }
    expect(await call('POST /v1/jobs', { body: job, headers: { traceparent } })).toMatchObject({ status: 201 })
    expect(await call('POST /v1/jobs', { body: job })).toMatchObject({ status: 200, body: { duplicate: true } })
    await calledAt(`/${id}`)
    await until('the job is done', async () => (await stateOf(id)) === 'done')
    const posts = worldOf().received.filter(({ path }) => path === `/${id}`)
    expect(posts).toHaveLength(1)
    expect(posts[0]?.headers['traceparent']).toContain('0af7651916cd43dd8448eb211c80319c')
  })

  const stateOf = async (id: string): Promise<string | undefined> =>
    z.object({ state: z.string().optional() }).parse((await call(`GET /v1/jobs/${id}`)).body).state

  test('a message for later reaches its conversation, whether it was asked for over HTTP or the socket', async () => {
    const members = ['ada', 'bob']
    const group = z
      .object({ id: z.string() })
      .parse((await call('POST /v1/conversations', { body: { type: 'group', members } })).body).id
    const ada = await new Person(systemOf(), 'ada', { key: systemOf().key }).connect()
    const soon = () => Date.now() + 200
    const asked = { clientId: 'one', text: 'over HTTP', deliverAt: soon(), user: 'ada' }
    expect(await call(`POST /v1/conversations/${group}/messages`, { body: asked })).toMatchObject({ status: 202 })
    const overSocket = { conversation: group, clientId: 'two', text: 'over the socket', deliverAt: soon() }
    expect(await ada.rpc('message.send', overSocket)).toMatchObject({ deliverAt: overSocket.deliverAt })
    const texts = async () => {
      const { body } = await call(`GET /v1/conversations/${group}/messages`)
      const { messages } = z.object({ messages: z.array(z.object({ text: z.string().optional() })) }).parse(body)
      return messages.flatMap(({ text }) => text ?? [])
    }
    await until('both messages are there', async () => (await texts()).length === 2)
    expect((await texts()).toSorted()).toEqual(['over HTTP', 'over the socket'])
    ada.leave()
  })

  test('a key is limited as its policy says, and what was reserved returns', async () => {
    const policy = `logins-${unique()}`
    const rules = { algorithm: 'token-bucket', limit: 2, windowSeconds: 3600 }
    expect(await call(`PUT /v1/limits/policies/${policy}`, { body: rules })).toMatchObject({ status: 200 })
    const check = async (key: string) => (await call('POST /v1/limits/check', { body: { policy, key } })).body
    expect([await check('ada'), await check('ada'), await check('ada')]).toMatchObject([
      { allowed: true },
      { allowed: true },
      { allowed: false },
    ])
    const target = { policy, key: 'bob' }
    const { body } = await call('POST /v1/limits/reserve', { body: { ...target, cost: 2, ttlSeconds: 60 } })
    expect(body).toMatchObject({ reserved: true, remaining: 0 })
    const { reservation } = z.object({ reservation: z.number() }).parse(body)
    expect((await call('POST /v1/limits/release', { body: { ...target, reservation, used: 0 } })).body).toEqual({
      released: true,
    })
  })

  test('a published event is pushed to one consumer and pulled by another', async () => {
    const name = unique()
    const push = { topic: 'default', push: { url: url(`/events-${name}`) } }
    expect(await call(`PUT /v1/consumers/pushed-${name}`, { body: push })).toMatchObject({ status: 200 })
    expect(await call(`PUT /v1/consumers/pulled-${name}`, { body: { topic: 'default' } })).toMatchObject({
      status: 200,
    })
    const event = { type: 'order.placed', key: 'o1', data: { name } }
    expect(await call('POST /v1/events', { body: event })).toMatchObject({ status: 201 })
    await calledAt(`/events-${name}`)
    const pulled = await call(`POST /v1/consumers/pulled-${name}/pull`, { body: { waitSeconds: 5 } })
    expect(JSON.stringify(pulled.body)).toContain(name)
  })

  test('a saga calls an endpoint, an operation of chat and one of jobs', async () => {
    const saga = `order-${unique()}`
    const steps = [
      { name: 'reserve', call: { url: url(`/reserve-${saga}`) }, compensate: { url: url('/cancel') } },
      {
        name: 'group',
        operation: { operation: 'createConversation', input: "{body: {type: 'group', members: ['ada', 'bob']}}" },
      },
      {
        name: 'notify',
        operation: { operation: 'enqueueJob', input: `{body: {id: '${saga}', url: '${url(`/job-${saga}`)}'}}` },
      },
    ]
    const defined = await call(`PUT /v1/sagas/${saga}`, { body: { steps } })
    expect(defined).toMatchObject({ body: { name: saga } })
    const run = `run-${saga}`
    expect((await call(`POST /v1/sagas/${saga}/runs`, { body: { id: run } })).status).toBeLessThan(300)
    await until('the run is completed', async () => {
      const { body } = await call(`GET /v1/saga-runs/${run}`)
      return z.object({ state: z.string() }).parse(body).state === 'completed'
    })
    expect(worldOf().wasCalled(`/reserve-${saga}`)).toBe(true)
    await calledAt(`/job-${saga}`)
  })

  test('a notification that names ten thousand users in half a megabyte is decided for all of them', async () => {
    const recipients = Array.from({ length: 10_000 }, (_, n) => `user-${n}-${'x'.repeat(40)}`)
    const accepted = await call('POST /v1/notifications', { body: { content: { body: 'Hi' }, recipients } })
    expect(accepted).toMatchObject({ status: 202, body: { recipients: 10_000, refused: 0 } })
    const { id } = z.object({ id: z.string() }).parse(accepted.body)
    await until('all are decided', async () => {
      const { handedOut } = z.object({ handedOut: z.number() }).parse((await call(`GET /v1/notifications/${id}`)).body)
      return handedOut === 10_000
    })
  })

  test('the operator’s scheduled tasks run in the part that they belong to', async () => {
    for (const task of ['sweep', 'connections', 'failures'])
      expect(await systemOf().asOperator(`POST /admin/v1/cron/${task}`)).toMatchObject({
        status: 200,
        body: { ran: task },
      })
    const { body } = await systemOf().asOperator('GET /admin/v1/queues')
    expect(JSON.stringify(body)).toContain('"queue":"default"')
  })
}

const headersThatCount = [
  'access-control-allow-origin',
  'access-control-expose-headers',
  'allow',
  'cache-control',
  'content-type',
  'x-content-type-options',
  'x-request-id',
]

/** An answer without what differs from one time to the next. */
function shape({ status, headers, body }: Answer): object {
  const counted = headersThatCount.map((name) => [name, headers.get(name)] as const)
  const vary = (headers.get('vary') ?? '').split(/, */).toSorted()
  const named = ['etag', 'ratelimit', 'ratelimit-policy', 'retry-after'].filter((name) => headers.has(name))
  return { status, headers: Object.fromEntries(counted), vary, named, body }
}

/** Requests of all kinds, and what is answered: the same, wherever a context runs. */
export async function answersOf(system: TestSystem): Promise<Record<string, object>> {
  const headers = { 'x-request-id': 'the-request' }
  const answers: Record<string, object> = {}
  const ask = async (line: string, given: Parameters<TestSystem['call']>[1] = {}) => {
    const answer = await system.call(line, { ...given, headers: { ...headers, ...given.headers } })
    const seen = Object.keys(answers).filter((each) => each.startsWith(line)).length
    answers[`${line} #${seen}`] = shape(answer)
    return answer
  }
  await ask('POST /v1/jobs', { as: '' })
  await ask('POST /v1/jobs', { as: 'not-a-key' })
  await ask('POST /v1/jobs', { body: { queue: 5 } })
  await ask('POST /v1/jobs', { body: 'not JSON' })
  await ask('POST /v1/jobs', { body: `"${'x'.repeat(1_100_000)}"` })
  await ask('GET /v1/jobs/none')
  await ask('GET /v1/queues/none')
  await ask('DELETE /v1/jobs')
  await ask('GET /v1/schedules', { headers: { origin: 'https://shop.example.com' } })
  const read = await ask('GET /v1/schedules')
  await ask('GET /v1/schedules', { headers: { 'if-none-match': read.headers.get('etag') ?? '' } })
  await ask('PUT /v1/limits/policies/fixed', { body: { algorithm: 'token-bucket', limit: 5, windowSeconds: 3600 } })
  await ask('POST /v1/limits/check', { body: { policy: 'fixed', key: 'a', cost: 9 } })
  await ask('POST /v1/limits/check', { body: { policy: 'none', key: 'a' } })
  await ask('GET /v1/event-types')
  await ask('GET /v1/consumers/none')
  await ask('POST /v1/events', { body: { type: 'a b' } })
  await ask('GET /v1/sagas/none')
  await ask('POST /v1/sagas/none/runs', { body: { id: 'r' } })
  await ask('GET /v1/nothing')
  await ask('POST /jobs', { as: '', body: '{}' })
  const token = z
    .object({ token: z.string() })
    .parse((await system.call('POST /v1/tokens', { body: { user: 'ada' } })).body)
  await ask('GET /v1/jobs/none', { as: token.token })
  return answers
}
