import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant } from '../support/worker/tenant.ts'

async function story(count = 0) {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  await tenant.postMany(lunch, 'bob', count)
  const path = `/v1/conversations/${lunch}/messages`
  const page = async (query: string) => (await call(`GET ${path}?${query}`, { as: tenant.key })).body
  const seqs = async (query: string) => (await page(query)).messages.map(({ seq }) => seq)
  return { tenant, lunch, path, page, seqs }
}

describe('one message', () => {
  test('is read by its place as in a page, edited or deleted too, and one that is not there is not found', async () => {
    const { tenant, path, page } = await story(3)
    await call(`PATCH ${path}/1`, { as: await tenant.token('bob'), body: { text: 'edited' } })
    await call(`DELETE ${path}/2`, { as: await tenant.token('bob') })
    const { messages } = await page('')
    for (const message of messages)
      expect((await call(`GET ${path}/${message.seq}`, { as: await tenant.token('alice') })).body).toEqual(message)
    expect(await call(`GET ${path}/99`, { as: tenant.key })).toMatchObject({
      status: 404,
      body: { detail: 'seq: there is no message 99' },
    })
    expect((await call(`GET ${path}/1`, { as: await tenant.token('mallory') })).status).toBe(404)
  })
})

describe('reading up to a place over HTTP', () => {
  test('moves the place of a user, or of the member a server names, and never back', async () => {
    const { tenant, lunch } = await story(5)
    const path = `/v1/conversations/${lunch}/read`
    const as = await tenant.token('alice')
    expect(await call(`POST ${path}`, { as, body: { seq: 3 } })).toMatchObject({ status: 200, body: { read: 3 } })
    expect((await call(`POST ${path}`, { as, body: { seq: 1 } })).body).toMatchObject({ read: 3 })
    const byServer = await call(`POST ${path}`, { as: tenant.key, body: { seq: 99, user: 'alice' } })
    expect(byServer.body).toMatchObject({ read: 5, unread: 0 })
    expect((await call(`GET /v1/conversations/${lunch}`, { as })).body).toMatchObject({ read: 5 })
    expect((await call(`POST ${path}`, { as: tenant.key, body: { seq: 1 } })).status).toBe(400)
    expect((await call(`POST ${path}`, { as, body: { seq: 1, user: 'bob' } })).status).toBe(403)
  })
})

describe('presence over HTTP', () => {
  test('names the connections that listen', async () => {
    const { tenant, lunch } = await story()
    const path = `/v1/conversations/${lunch}/presence`
    expect((await call(`GET ${path}`, { as: tenant.key })).body).toEqual({
      connections: 0,
      users: 0,
      clients: [],
    })
    const alice = await connectAs(tenant, 'alice')
    await alice.subscribe(lunch)
    const { body } = await call(`GET ${path}`, { as: await tenant.token('bob') })
    const listed = { user: 'alice', client: expect.any(String), since: expect.any(Number) }
    expect(body).toEqual({ connections: 1, users: 1, clients: [listed] })
  })
})

describe('sending', () => {
  test('answers 201 with the place, the same clientId again 200 with the same place', async () => {
    const { tenant, path, lunch } = await story()
    const send = async () => {
      const body = { clientId: 'a', text: 'Hello' }
      return await call(`POST ${path}`, { as: await tenant.token('alice'), body })
    }
    const first = await send()
    expect(first).toMatchObject({ status: 201, body: { id: `${lunch}.1`, seq: 1, duplicate: false } })
    expect(await send()).toMatchObject({ status: 200, body: { ...first.body, duplicate: true } })
  })

  test.each(['direct', 'group', 'channel'])(
    'a server speaks in a conversation of type %s only as a member or as itself, now or later',
    async (type) => {
      const tenant = await newTenant()
      const named = type === 'direct' ? {} : { name: 'Lunch' }
      const body = { type, members: ['alice', 'bob'], ...named }
      const { id } = (await call('POST /v1/conversations', { as: tenant.key, body })).body
      const path = `/v1/conversations/${id}/messages`
      const speak = async (more: object) => {
        const content = { clientId: crypto.randomUUID(), text: 'Hello', ...more }
        return await call(`POST ${path}`, { as: tenant.key, body: content })
      }
      for (const more of [{ user: 'mallory' }, { user: 'mallory', deliverAt: Date.now() + 60_000 }])
        expect(await speak(more)).toMatchObject({
          status: 403,
          body: { detail: expect.stringMatching(/^user: mallory is not a member; .*leave user out/) },
        })
      expect((await speak({ user: 'alice' })).status).toBe(201)
      expect((await speak({})).status).toBe(201)
      const { messages } = (await call(`GET ${path}`, { as: tenant.key })).body
      expect(messages.map((message) => Object(message).user)).toEqual(['', 'alice'])
    },
  )

  test('a server speaks for a member or for itself', async () => {
    const { tenant, lunch, page } = await story()
    await tenant.post(lunch, 'alice', 'as Alice')
    await tenant.post(lunch, '', 'nobody').then(({ status }) => expect(status).toBe(400))
    await call(`POST /v1/conversations/${lunch}/messages`, { as: tenant.key, body: { clientId: 'b', text: 'as us' } })
    expect((await page('')).messages.map((message) => Object(message).user)).toEqual(['', 'alice'])
  })

  test('everything a message may carry comes back', async () => {
    const { tenant, path, page } = await story(2)
    const content = {
      clientId: 'full',
      text: 'Look\n\tat this 👩‍🍳',
      replyTo: 1,
      thread: 2,
      mentions: ['bob'],
      attachments: [{ type: 'image/png', url: 'https://example.com/a.png', name: 'a.png', size: 7 }],
      data: { order: [1, null, 'x'] },
    }
    expect((await call(`POST ${path}`, { as: tenant.key, body: content })).status).toBe(201)
    expect((await page('limit=1')).messages[0]).toMatchObject({ ...content, mentions: { users: ['bob'] } })
  })

  test('later is a job that is safe in the queue, and the same one when sent again', async () => {
    const { tenant, path } = await story()
    const body = { clientId: 'a', text: 'Later', deliverAt: Date.now() + 3_600_000 }
    const first = await call(`POST ${path}`, { as: await tenant.token('alice'), body })
    expect(first).toMatchObject({ status: 202, body: { job: expect.any(String), duplicate: false } })
    const again = await call(`POST ${path}`, { as: await tenant.token('alice'), body })
    expect(again.body).toMatchObject({ job: first.body['job'], duplicate: true })
    const far = { ...body, clientId: 'b', deliverAt: Date.now() + 91 * 86_400_000 }
    expect((await call(`POST ${path}`, { as: await tenant.token('alice'), body: far })).status).toBe(400)
    const known = await runInDurableObject(env.JOB_QUEUE.getByName(`${tenant.id}/default`), (_, { storage }) =>
      storage.sql.exec('SELECT count(*) AS jobs FROM jobs').one(),
    )
    expect(known).toEqual({ jobs: 1 })
  })

  test('later, said again with another time, is answered with the time that holds', async () => {
    const { tenant, path } = await story()
    const body = { clientId: 'a', text: 'Later', deliverAt: Date.now() + 3_600_000 }
    const as = await tenant.token('alice')
    await call(`POST ${path}`, { as, body })
    const again = await call(`POST ${path}`, { as, body: { ...body, deliverAt: body.deliverAt + 60_000 } })
    expect(again).toMatchObject({ status: 200, body: { state: 'delayed', deliverAt: body.deliverAt, duplicate: true } })
  })

  test('later, said again after it was cancelled, is refused: it would never be delivered', async () => {
    const { tenant, path } = await story()
    const body = { clientId: 'a', text: 'Later', deliverAt: Date.now() + 3_600_000 }
    const as = await tenant.token('alice')
    const { job } = (await call(`POST ${path}`, { as, body })).body
    await call(`DELETE /v1/jobs/${String(job)}`, { as: tenant.key })
    expect(await call(`POST ${path}`, { as, body })).toMatchObject({
      status: 409,
      body: { detail: expect.stringMatching(/ended cancelled, undelivered: send it with another clientId/) },
    })
    expect((await call(`POST ${path}`, { as, body: { ...body, clientId: 'b' } })).status).toBe(202)
  })
})

describe('reading', () => {
  test('is newest first, pages backward and forward, and knows when there is no more', async () => {
    const { page, seqs } = await story(7)
    expect(await seqs('limit=3')).toEqual([7, 6, 5])
    expect(await page('limit=3')).toMatchObject({ last: 7, before: 5, after: null })
    expect(await page('limit=3&before=5')).toMatchObject({ before: 2, after: 4 })
    expect(await seqs('limit=3&before=5')).toEqual([4, 3, 2])
    expect(await page('limit=3&before=2')).toMatchObject({ before: null, after: 1 })
    expect(await seqs('limit=3&after=0')).toEqual([3, 2, 1])
    expect(await page('limit=3&after=0')).toMatchObject({ before: null, after: 3 })
    expect(await seqs('limit=3&after=6')).toEqual([7])
    expect(await page('limit=3&after=6')).toMatchObject({ before: 7, after: null })
    expect(await seqs('after=7')).toEqual([])
    expect(await seqs('before=1')).toEqual([])
    expect(await seqs('after=999')).toEqual([])
    expect(await seqs('before=999&limit=2')).toEqual([7, 6])
  })

  test('following either cursor to its end reads everything once', async () => {
    const { page } = await story(11)
    for (const [way, start] of [
      ['before', ''],
      ['after', 'after=0'],
    ] as const) {
      const seen: number[] = []
      let next: string | null = start
      while (next !== null) {
        const read = await page(`limit=4&${next}`)
        seen.push(...read.messages.map(({ seq }) => seq))
        next = read[way] === null ? null : `${way}=${read[way]}`
      }
      expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 11 }, (_, n) => n + 1))
    }
  })

  test('of an empty conversation is an empty page', async () => {
    const { page } = await story()
    expect(await page('')).toMatchObject({ messages: [], last: 0, before: null, after: null })
  })
})

describe('editing and deleting', () => {
  test('shows messages as they read now', async () => {
    const { tenant, path, page } = await story(2)
    const as = await tenant.token('bob')
    const edited = await call(`PATCH ${path}/1`, { as, body: { text: 'better' } })
    expect(edited).toMatchObject({ status: 200, body: { seq: 3 } })
    expect((await call(`DELETE ${path}/2`, { as })).status).toBe(204)
    const { messages } = await page('')
    expect(messages.map(({ seq, type }) => [seq, type])).toEqual([
      [4, 'message.deleted'],
      [3, 'message.edited'],
      [2, 'message'],
      [1, 'message'],
    ])
    expect(messages[3]).toMatchObject({ text: 'better', editedAt: expect.any(Number), user: 'bob' })
    expect(messages[2]).toMatchObject({ deleted: true, user: 'bob' })
    expect(messages[2]).not.toHaveProperty('text')
  })

  test('is refused for others, and for what is not there', async () => {
    const { tenant, path } = await story(1)
    const as = await tenant.token('alice')
    expect((await call(`PATCH ${path}/1`, { as, body: { text: 'mine' } })).status).toBe(403)
    expect((await call(`PATCH ${path}/9`, { as, body: { text: 'mine' } })).status).toBe(404)
    expect((await call(`PATCH ${path}/1`, { as, body: { text: '' } })).status).toBe(400)
    // Alice owns the group.
    expect((await call(`DELETE ${path}/1`, { as })).status).toBe(204)
    const author = await tenant.token('bob')
    expect((await call(`DELETE ${path}/1`, { as: author })).status).toBe(404)
    expect((await call(`DELETE ${path}/9`, { as })).status).toBe(404)
  })
})

describe('tokens', () => {
  test('are issued for as long as asked, and open what their user may', async () => {
    const tenant = await newTenant()
    const asked = Date.now()
    const { status, body } = await call('POST /v1/tokens', { as: tenant.key, body: { user: 'alice', ttlSeconds: 60 } })
    expect(status).toBe(200)
    expect(Number(body['expiresAt']) - asked).toBeGreaterThan(59_000)
    expect((await call('GET /v1/conversations', { as: body.token })).status).toBe(200)
    for (const wrong of [{}, { user: 'a b' }, { user: 'a', ttlSeconds: 0 }, { user: 'a', admin: true }])
      expect((await call('POST /v1/tokens', { as: tenant.key, body: wrong })).status).toBe(400)
  })

  test('are refused where connect would refuse them: longer than 8,192 characters', async () => {
    const tenant = await newTenant()
    const ask = (channels: string[]) => call('POST /v1/tokens', { as: tenant.key, body: { user: 'alice', channels } })
    const channels = (count: number) => Array.from({ length: count }, (_, n) => `news:${n}${'x'.repeat(200)}`)
    const { status, body } = await ask(channels(20))
    expect(status).toBe(200)
    expect((await call('GET /v1/conversations', { as: body.token })).status).toBe(200)
    expect(await ask(channels(40))).toMatchObject({
      status: 400,
      body: { detail: expect.stringMatching(/^token: at most 8192 characters, got \d+/) },
    })
  })

  test('without a user are issued where the tenant admits anonymous users, and open nothing over HTTP', async () => {
    const tenant = await newTenant()
    const ask = () => call('POST /v1/tokens', { as: tenant.key, body: { user: '' } })
    expect((await ask()).status).toBe(403)
    await call('PATCH /v1/settings', { as: tenant.key, body: { anonymous: true } })
    expect((await call('GET /v1/settings', { as: tenant.key })).body).toMatchObject({ anonymous: true })
    const { body } = await ask()
    expect((await call('GET /v1/conversations', { as: body.token })).status).toBe(401)
  })

  test('in the local environment the chat page gets one for any name', async () => {
    await call('PUT /admin/v1/tenants/demo', { as: 'operator-of-the-tests', body: { name: 'Demo' } })
    const { body } = await call('POST /demo/token', { body: { user: 'visitor' } })
    expect((await call('GET /v1/conversations', { as: body.token })).status).toBe(200)
    expect((await call('GET /v1/conversations?user=visitor', { as: 'demo-key' })).status).toBe(200)
  })
})
