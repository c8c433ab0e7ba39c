import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { eventually } from '../support/worker/bounded.ts'
import { call, type Answer } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { connectAs } from '../support/worker/person.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

const published = z.looseObject({ type: z.string(), data: z.unknown() })
const far = 4_000_000_000_000
const problem = ({ status, body }: Answer) => [status, body.type.replace(/.*[/#]/, '')]

const ban = async (tenant: TestTenant, user: string, body: object = {}) =>
  await call(`PUT /v1/users/${user}/ban`, { as: tenant.key, body })

/** What becomes of a token at a gateway: the code with which the connection is closed, or 0. */
async function entersWith(token: string, gateway: string): Promise<number> {
  const line = await Line.open(gateway)
  const [id = 0] = line.say({ connect: { token } })
  const closed = line.closed().then(({ code }) => code)
  return await Promise.race([closed, line.replyTo(id).then(({ connect }) => (connect === undefined ? -1 : 0))])
}

describe('a user that is banned from the tenant', () => {
  test('loses all connections with code 4506, and no token is accepted until the ban ends', async () => {
    const tenant = await newTenant()
    const before = await tenant.token('alice')
    const alice = await connectAs(tenant, 'alice', { token: before, gateway: 'banned/0' })
    const bob = await connectAs(tenant, 'bob', { gateway: 'banned/0' })
    const body = { until: far, reason: 'Spam', moderator: 'mia' }
    expect(succeeded(await ban(tenant, 'alice', body))).toMatchObject({ user: 'alice', ...body })
    expect(await alice.line.closed()).toEqual({ code: 4506, reason: 'user banned' })

    const during = await tenant.token('alice')
    expect(await entersWith(during, 'banned/1')).toBe(4506)
    expect(problem(await call('GET /v1/conversations', { as: during }))).toEqual([403, 'user-banned'])
    await putToSleep(tenant.inboxOf('alice'))
    expect(await entersWith(during, 'banned/2')).toBe(4506)
    expect((await call('GET /v1/bans', { as: tenant.key })).body).toMatchObject({ bans: [{ user: 'alice', ...body }] })

    succeeded(await call('DELETE /v1/users/alice/ban?moderator=mia', { as: tenant.key }))
    expect(await entersWith(during, 'banned/1')).toBe(0)
    expect((await call('GET /v1/conversations', { as: during })).status).toBe(200)
    expect(await entersWith(before, 'banned/1')).toBe(3500)
    expect((await call('GET /v1/bans', { as: tenant.key })).body).toEqual({ bans: [], next: null })
    expect(await bob.line.rest()).toEqual([])
    const { acts } = (await call('GET /v1/moderation-log', { as: tenant.key })).body
    expect(acts).toMatchObject([
      { action: 'user.unbanned', moderator: 'mia', user: 'alice' },
      { action: 'user.banned', moderator: 'mia', user: 'alice', until: far, reason: 'Spam' },
    ])
  })

  test('is admitted again by itself once the ban is over', async () => {
    const tenant = await newTenant()
    succeeded(await ban(tenant, 'alice', { until: far }))
    const token = await tenant.token('alice')
    // The end is set back, since the clock of an actor stays as it is here.
    await env.INBOX.getByName(`${tenant.id}/alice`).ban(1)
    expect(await entersWith(await tenant.token('alice'), 'banned/3')).toBe(0)
    expect(token).not.toBe('')
    expect(problem(await ban(tenant, 'alice', { until: 1 }))).toEqual([400, 'invalid-request'])
  })

  test('keeps an erased user out for good', async () => {
    const tenant = await newTenant()
    succeeded(await call('DELETE /v1/users/alice', { as: tenant.key }))
    expect(problem(await ban(tenant, 'alice'))).toEqual([409, 'conflict'])
  })
})

describe('a user that another one blocks', () => {
  const block = async (tenant: TestTenant, user: string, blocked: string, method = 'PUT') =>
    await call(`${method} /v1/users/${user}/blocks/${blocked}`, { as: await tenant.token(user) })
  const direct = async (tenant: TestTenant, as: string, other: string) =>
    await call('POST /v1/conversations', { as: await tenant.token(as), body: { type: 'direct', members: [other] } })
  const send = async (tenant: TestTenant, id: string, as: string) =>
    await call(`POST /v1/conversations/${id}/messages`, {
      as: await tenant.token(as),
      body: { clientId: crypto.randomUUID(), text: 'Hello' },
    })

  test('writes nothing in their direct conversation, while the blocker does, also after the actor slept', async () => {
    const tenant = await newTenant()
    const { id } = succeeded(await direct(tenant, 'bob', 'alice'))
    expect((await send(tenant, id, 'bob')).status).toBe(201)
    expect(succeeded(await block(tenant, 'alice', 'bob'))).toMatchObject({ user: 'bob' })
    expect(problem(await send(tenant, id, 'bob'))).toEqual([403, 'blocked'])
    await putToSleep(tenant.actorOf(id))
    expect(problem(await send(tenant, id, 'bob'))).toEqual([403, 'blocked'])
    expect((await send(tenant, id, 'alice')).status).toBe(201)
    const list = await call('GET /v1/users/alice/blocks', { as: await tenant.token('alice') })
    expect(list.body).toEqual({ blocks: [{ user: 'bob', at: expect.any(Number) }] })
    expect((await block(tenant, 'alice', 'bob', 'DELETE')).status).toBe(204)
    expect((await send(tenant, id, 'bob')).status).toBe(201)
  })

  test('starts no direct conversation with the blocker, and one that the server starts has the block', async () => {
    const tenant = await newTenant()
    succeeded(await block(tenant, 'alice', 'bob'))
    expect(problem(await direct(tenant, 'bob', 'alice'))).toEqual([403, 'blocked'])
    const body = { type: 'direct', members: ['alice', 'bob'] }
    const { id } = succeeded(await call('POST /v1/conversations', { as: tenant.key, body }))
    expect(problem(await send(tenant, id, 'bob'))).toEqual([403, 'blocked'])
    expect((await send(tenant, id, 'alice')).status).toBe(201)
  })

  test('still writes in groups, and no user blocks themselves or for another', async () => {
    const tenant = await newTenant()
    const group = await tenant.group('alice', 'bob')
    succeeded(await block(tenant, 'alice', 'bob'))
    expect((await send(tenant, group, 'bob')).status).toBe(201)
    expect(problem(await block(tenant, 'alice', 'alice'))).toEqual([400, 'invalid-request'])
    const other = await call('PUT /v1/users/alice/blocks/carol', { as: await tenant.token('bob') })
    expect(problem(other)).toEqual([403, 'not-allowed'])
  })
})

describe('a report', () => {
  const report = async (tenant: TestTenant, as: string, body: object) =>
    await call('POST /v1/reports', { as: await tenant.token(as), body })

  test('is noted once for each reporter, shows the message as it was, and is decided once', async () => {
    const tenant = await newTenant()
    const conversation = await tenant.group('alice', 'bob', 'carol')
    const { seq } = succeeded(await tenant.post(conversation, 'bob', 'Buy now!'))
    const about = { conversation, seq, reason: 'spam' }
    const first = succeeded(await report(tenant, 'alice', { ...about, text: 'again' }))
    expect(first).toEqual({ review: expect.any(String), duplicate: false })
    const id = String(first.review)
    expect(succeeded(await report(tenant, 'alice', about))).toEqual({ review: id, duplicate: true })
    expect(succeeded(await report(tenant, 'carol', { ...about, reason: 'other' }))).toMatchObject({ duplicate: false })
    const path = `PATCH /v1/conversations/${conversation}/messages/${seq}`
    succeeded(await call(path, { as: await tenant.token('bob'), body: { text: 'Never mind' } }))

    const review = {
      id,
      state: 'open',
      target: { kind: 'message', conversation, seq, user: 'bob', text: 'Buy now!' },
      reports: 2,
      reasons: { spam: 1, other: 1 },
    }
    expect((await call('GET /v1/reviews', { as: tenant.key })).body).toMatchObject({ reviews: [review], next: null })
    expect((await call(`GET /v1/reviews/${id}`, { as: tenant.key })).body).toMatchObject({
      review,
      reports: [
        { reporter: 'alice', reason: 'spam', text: 'again' },
        { reporter: 'carol', reason: 'other', text: null },
      ],
    })
    const decide = async (action: string) =>
      await call(`POST /v1/reviews/${id}/decision`, {
        as: tenant.key,
        body: { action, moderator: 'mia', note: 'Spam' },
      })
    expect(succeeded(await decide('delete-message'))).toMatchObject({ state: 'resolved' })
    expect(problem(await decide('dismiss'))).toEqual([409, 'conflict'])
    const read = await call(`GET /v1/conversations/${conversation}/messages/${seq}`, { as: tenant.key })
    expect(read.body).toMatchObject({ deleted: true })
    expect((await call('GET /v1/reviews', { as: tenant.key })).body).toMatchObject({ reviews: [] })
    expect((await call('GET /v1/reviews?state=resolved', { as: tenant.key })).body.reviews).toHaveLength(1)
    const { acts } = (await call('GET /v1/moderation-log', { as: tenant.key })).body
    expect(acts).toMatchObject([{ action: 'review.decided', decision: 'delete-message', review: id, user: 'bob' }])
  })

  test('of a message that the reporter cannot read, or of oneself, is refused', async () => {
    const tenant = await newTenant()
    const conversation = await tenant.group('alice', 'bob')
    const { seq } = succeeded(await tenant.post(conversation, 'bob', 'Hello'))
    expect((await report(tenant, 'eve', { conversation, seq, reason: 'spam' })).status).toBe(404)
    expect((await report(tenant, 'bob', { conversation, seq, reason: 'spam' })).status).toBe(400)
    expect((await report(tenant, 'alice', { conversation, seq: 99, reason: 'spam' })).status).toBe(404)
    expect((await report(tenant, 'alice', { reason: 'spam' })).status).toBe(400)
    const other = await report(tenant, 'alice', { user: 'bob', reason: 'spam', reporter: 'carol' })
    expect(problem(other)).toEqual([403, 'not-allowed'])
  })

  test('of a user is reviewed like one of a message, and a decision may ban the user', async () => {
    const tenant = await newTenant()
    const { review } = succeeded(await report(tenant, 'alice', { user: 'bob', reason: 'harassment' }))
    const decide = async (body: object) =>
      await call(`POST /v1/reviews/${String(review)}/decision`, { as: tenant.key, body })
    expect((await decide({ action: 'delete-message' })).status).toBe(400)
    succeeded(await decide({ action: 'ban-user', until: far, note: 'Threats' }))
    const bans = (await call('GET /v1/bans', { as: tenant.key })).body
    expect(bans).toMatchObject({ bans: [{ user: 'bob', until: far, reason: 'Threats' }] })
    const { acts } = (await call('GET /v1/moderation-log', { as: tenant.key })).body
    expect(acts).toMatchObject([{ action: 'review.decided' }, { action: 'user.banned' }])
  })

  test('and the log keep nothing of an erased user, as its author, as the reporter or as the moderator', async () => {
    const tenant = await newTenant()
    const conversation = await tenant.group('alice', 'erased-bob')
    const { seq } = succeeded(await tenant.post(conversation, 'erased-bob', 'Buy now!'))
    succeeded(await report(tenant, 'alice', { conversation, seq, reason: 'spam' }))
    const about = { user: 'alice', reason: 'spam', text: 'I am erased-bob' }
    const { review } = succeeded(await report(tenant, 'erased-bob', about))
    const body = { action: 'resolve', moderator: 'erased-bob' }
    succeeded(await call(`POST /v1/reviews/${String(review)}/decision`, { as: tenant.key, body }))
    succeeded(await ban(tenant, 'erased-bob', { reason: 'Spam' }))
    const moderation = env.MODERATION.getByName(`${tenant.id}/moderation`)
    expect(await moderation.eraseUser('erased-bob', 'erased-1')).toMatchObject({ isDone: true })
    expect(await moderation.eraseUser('erased-bob', 'erased-1')).toEqual({ erased: 0, isDone: true })
    const reads = [
      '/v1/bans',
      '/v1/reviews',
      '/v1/reviews?state=resolved',
      `/v1/reviews/${String(review)}`,
      '/v1/moderation-log',
    ]
    const texts = await Promise.all(reads.map(async (path) => (await call(`GET ${path}`, { as: tenant.key })).text))
    expect(texts.join('')).not.toContain('erased-bob')
    expect(texts[3]).toContain('erased-1')
    expect(texts[4]).toContain('user.banned')
  })

  test('is published as an event without users, while the tenant has a webhook', async () => {
    const tenant = await newTenant()
    succeeded(await call('PUT /v1/webhooks/w', { as: tenant.key, body: { url: 'https://webhook.example/hook' } }))
    succeeded(await call('POST /v1/webhooks/w/pause', { as: tenant.key }))
    const conversation = await tenant.group('alice', 'bob')
    const { seq } = succeeded(await tenant.post(conversation, 'bob', 'Buy now!'))
    for (let n = 0; n < 2; n++) succeeded(await report(tenant, 'alice', { conversation, seq, reason: 'spam' }))
    const { body, text } = await call('GET /v1/events?topic=$parley&limit=100', { as: tenant.key })
    const reports = z
      .array(published)
      .parse(body.events)
      .filter(({ type }) => type === 'report.created')
    expect(reports).toHaveLength(1)
    expect(text).not.toContain('alice')
    expect(reports[0]?.data).toEqual({
      review: expect.any(String),
      kind: 'message',
      conversation,
      seq,
      reason: 'spam',
      reports: 1,
      at: expect.any(Number),
    })
  })
})

describe('content rules', () => {
  const rules = {
    words: [
      { list: ['casino*'], action: 'refuse' },
      { list: ['damn'], action: 'mask' },
      { list: ['crypto'], action: 'flag' },
    ],
    repeats: { count: 2, seconds: 600, action: 'refuse' },
  }
  const put = async (tenant: TestTenant, body: object) =>
    succeeded(await call('PUT /v1/content-rules', { as: tenant.key, body }))
  const openReviews = async (tenant: TestTenant) =>
    z.looseObject({ reviews: z.array(z.unknown()) }).parse((await call('GET /v1/reviews', { as: tenant.key })).body)
      .reviews

  test('hold for messages and edits over HTTP, and not for the server', async () => {
    const tenant = await newTenant()
    expect((await call('GET /v1/content-rules', { as: tenant.key })).body).toEqual({ words: [] })
    expect(await put(tenant, rules)).toEqual(rules)
    const conversation = await tenant.group('alice', 'bob')
    const path = `/v1/conversations/${conversation}/messages`
    const as = await tenant.token('alice')
    const send = async (text: string, clientId = crypto.randomUUID()) =>
      await call(`POST ${path}`, { as, body: { clientId, text } })
    expect(problem(await send('My CASINO2000'))).toEqual([403, 'content-refused'])
    const { seq } = succeeded(await send('damn it', 'c1'))
    expect(succeeded(await send('damn it', 'c1'))).toMatchObject({ seq, duplicate: true })
    expect(problem(await send('damn it'))).toEqual([429, 'flood'])
    const read = async () => (await call(`GET ${path}/${String(seq)}`, { as })).body
    expect(await read()).toMatchObject({ text: '**** it' })
    expect(problem(await call(`PATCH ${path}/${String(seq)}`, { as, body: { text: 'casino' } }))).toEqual([
      403,
      'content-refused',
    ])
    succeeded(await call(`PATCH ${path}/${String(seq)}`, { as, body: { text: 'Damn crypto' } }))
    expect(await read()).toMatchObject({ text: '**** crypto' })
    const reviews = await openReviews(tenant)
    expect(reviews).toMatchObject([
      { target: { conversation, seq, user: 'alice', text: '**** crypto' }, reasons: { rule: 1 } },
    ])
    succeeded(await tenant.post(conversation, 'alice', 'casino'))
    await put(tenant, {})
    succeeded(await send('casino'))
  })

  test('hold over a connection that was open before they were stored, changed and removed', async () => {
    const tenant = await newTenant()
    const conversation = await tenant.group('alice', 'bob')
    const alice = await connectAs(tenant, 'alice', { gateway: 'eu/0' })
    await alice.send(conversation, 'casino')
    const code = async (method: string, data: object) =>
      (await alice.rpc(method, { conversation, ...data })).error?.code ?? 0
    const say = async (text: string) => await code('message.send', { clientId: crypto.randomUUID(), text })
    // As the alarm of the tenant does.
    const notify = async () => await env.GATEWAY.getByName('eu/0').tenantStateChanged(tenant.id, 'active')
    await put(tenant, rules)
    await notify()
    expect(await say('Casino')).toBe(453)
    expect(await code('message.edit', { seq: 1, text: 'casino' })).toBe(453)
    const later = { clientId: 'later', text: 'casino', deliverAt: Date.now() + 3_600_000 }
    expect(await code('message.send', later)).toBe(453)
    expect([await say('damn'), await say('damn')]).toEqual([0, 454])
    expect(await say('my crypto')).toBe(0)
    await eventually('a review', async () => (await openReviews(tenant)).length === 1 || undefined)
    await put(tenant, {})
    await notify()
    expect(await say('casino')).toBe(0)
    const texts = (await call(`GET /v1/conversations/${conversation}/messages`, { as: tenant.key })).text
    expect(texts).toContain('"text":"****"')
    expect(texts).not.toContain('damn')
  })
})
