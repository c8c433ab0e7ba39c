import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { eraserOf } from '../../durable-objects/tenant/erasers.ts'
import { linkSecretOf } from '../../src/edge/resources/uploads/link-secret.ts'
import { largestUpload, linkList, uploadView } from '../../src/protocol/uploads-api.ts'
import { signLink } from '../../src/uploads/links.ts'
import { call } from '../support/worker/http.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

/** A picture of three by two pixels. */
const png = bytesOf(
  'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg==',
)
function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
}
const text = (words: string) => Uint8Array.from(new TextEncoder().encode(words))

async function story() {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  const [alice, bob] = [await tenant.token('alice'), await tenant.token('bob')]
  const path = `/v1/conversations/${lunch}/uploads`
  const begin = async (as: string, file: object) =>
    await call(`POST ${path}`, { as, body: { name: 'lunch.png', type: 'image/png', size: png.byteLength, ...file } })
  /** Uploads a file, and returns the upload. */
  const upload = async (as = alice, bytes = png, file: object = {}) => {
    const { id } = uploadView.parse((await begin(as, { size: bytes.byteLength, ...file })).body)
    await call(`PUT ${path}/${id}/parts/1`, { as, raw: bytes })
    return uploadView.parse((await call(`POST ${path}/${id}/complete`, { as })).body)
  }
  const send = async (as: string, uploads: readonly string[], clientId = crypto.randomUUID()) =>
    await call(`POST /v1/conversations/${lunch}/messages`, {
      as,
      body: { clientId, text: 'look', attachments: uploads.map((one) => ({ upload: one })) },
    })
  const links = async (as: string, ...uploads: string[]) =>
    await call(`POST /v1/conversations/${lunch}/upload-links`, { as, body: { uploads } })
  const linkTo = async (as: string, one: string) => {
    const found = linkList.parse((await links(as, one)).body).links[0]
    return found === undefined ? undefined : new URL(found.url).pathname
  }
  const isStored = async (id: string) => Boolean(await env.BLOBS?.head(`${tenant.id}/${lunch}/${id}`))
  return { tenant, lunch, alice, bob, path, begin, upload, send, links, linkTo, isStored }
}

/** The alarm that was set rings at once. */
async function ring(tenant: TestTenant, conversation: string): Promise<void> {
  await runDurableObjectAlarm(tenant.actorOf(conversation))
}

describe('a file that was uploaded', () => {
  test('is named by a message, which says what it is, and is read by the members through a link', async () => {
    const { lunch, alice, bob, upload, send, linkTo, path } = await story()
    const done = await upload()
    expect(done).toMatchObject({ state: 'ready', width: 3, height: 2, received: [1], parts: 1 })
    const { seq } = (await send(alice, [done.id])).body
    const message = await call(`GET /v1/conversations/${lunch}/messages/${seq}`, { as: bob })
    const attachment = {
      upload: done.id,
      type: 'image/png',
      name: 'lunch.png',
      size: png.byteLength,
      width: 3,
      height: 2,
    }
    expect(message.body['attachments']).toEqual([attachment])
    const link = await linkTo(bob, done.id)
    const file = await call(`GET ${link}`)
    expect(file.status).toBe(200)
    expect(file.headers.get('content-type')).toBe('image/png')
    expect(file.headers.get('content-length')).toBe(String(png.byteLength))
    expect(uploadView.parse((await call(`GET ${path}/${done.id}`, { as: alice })).body).expiresAt).toBeNull()
  })

  test('is given in parts of it, and not at all to a reader that has it', async () => {
    const { bob, alice, upload, send, linkTo } = await story()
    const words = text('the whole of the file')
    const { id } = await upload(alice, words, { name: 'notes.txt', type: 'text/plain' })
    await send(alice, [id])
    const link = await linkTo(bob, id)
    const get = async (headers: Record<string, string>) => await call(`GET ${link}`, { headers })
    expect(await get({ range: 'bytes=4-8' })).toMatchObject({ status: 206, text: 'whole' })
    expect((await get({ range: 'bytes=4-8' })).headers.get('content-range')).toBe('bytes 4-8/21')
    expect(await get({ range: 'bytes=-4' })).toMatchObject({ status: 206, text: 'file' })
    expect((await get({ range: 'bytes=99-' })).status).toBe(416)
    const whole = await get({})
    expect(whole.text).toBe('the whole of the file')
    const etag = whole.headers.get('etag') ?? ''
    expect((await get({ 'if-none-match': etag })).status).toBe(304)
    expect((await get({ range: 'bytes=4-8', 'if-range': '"another"' })).status).toBe(200)
    const head = await call(`HEAD ${link}`)
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '21'])
  })

  test('is saved and never shown, unless it is a picture, sound or video, and never is a document of the server', async () => {
    const { bob, alice, upload, send, linkTo } = await story()
    const page = await upload(alice, text('<script>alert(1)</script>'), { name: 'a "page".html', type: 'text/html' })
    const picture = await upload()
    await send(alice, [page.id, picture.id])
    const html = (await call(`GET ${await linkTo(bob, page.id)}`)).headers
    expect(html.get('content-type')).toBe('application/octet-stream')
    expect(html.get('content-disposition')).toBe(
      `attachment; filename="a _page_.html"; filename*=UTF-8''a%20%22page%22.html`,
    )
    const image = (await call(`GET ${await linkTo(bob, picture.id)}`)).headers
    expect(image.get('content-disposition')).toMatch(/^inline/)
    for (const headers of [html, image]) {
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      // Pages of the tenant show it.
      expect(headers.get('cross-origin-resource-policy')).toBe('cross-origin')
      expect(headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/)
    }
  })
})

describe('an upload in parts', () => {
  test('goes on after its client was cut off, in any order, with the parts that are missing', async () => {
    const { alice, path, begin, isStored } = await story()
    const size = 5_242_880 + 7
    const begun = uploadView.parse((await begin(alice, { type: 'application/octet-stream', size })).body)
    expect(begun).toMatchObject({ parts: 2, partBytes: 5_242_880, received: [], state: 'open' })
    const put = async (part: number, bytes: number) =>
      await call(`PUT ${path}/${begun.id}/parts/${part}`, { as: alice, raw: new Uint8Array(bytes).fill(part) })
    expect((await put(2, 7)).body['received']).toEqual([2])
    const early = await call(`POST ${path}/${begun.id}/complete`, { as: alice })
    expect(early).toMatchObject({ status: 409, body: { type: '/docs/errors#upload-not-ready' } })
    expect(early.body.detail).toMatch(/missing first: 1$/)
    expect((await call(`GET ${path}/${begun.id}`, { as: alice })).body['received']).toEqual([2])
    expect((await put(1, 5_242_880)).body['received']).toEqual([1, 2])
    expect((await call(`POST ${path}/${begun.id}/complete`, { as: alice })).body['state']).toBe('ready')
    expect((await call(`POST ${path}/${begun.id}/complete`, { as: alice })).body['state']).toBe('ready')
    expect(await isStored(begun.id)).toBe(true)
  })

  test('takes no part of another length, and none that there is not', async () => {
    const { alice, path, begin } = await story()
    const { id } = (await begin(alice, {})).body
    const short = await call(`PUT ${path}/${id}/parts/1`, { as: alice, raw: png.slice(1) })
    expect(short).toMatchObject({ status: 400 })
    expect(short.body.detail).toMatch(/^body: this part has \d+ bytes/)
    expect((await call(`PUT ${path}/${id}/parts/2`, { as: alice, raw: png })).status).toBe(404)
    expect((await call(`PUT ${path}/${id}/parts/0`, { as: alice, raw: png })).status).toBe(404)
  })

  test('is gone with its bytes after it was cancelled', async () => {
    const { tenant, lunch, alice, path, upload, isStored } = await story()
    const { id } = await upload()
    expect((await call(`DELETE ${path}/${id}`, { as: alice })).status).toBe(204)
    expect(await call(`GET ${path}/${id}`, { as: alice })).toMatchObject({
      status: 404,
      body: { type: '/docs/errors#unknown-upload' },
    })
    await ring(tenant, lunch)
    await expect.poll(async () => await isStored(id)).toBe(false)
  })
})

describe('a file is refused', () => {
  test('that is of another type than was said, and its bytes are deleted', async () => {
    const { tenant, lunch, alice, path, begin, isStored } = await story()
    const page = text('<html><script>alert(1)</script></html>')
    const { id } = (await begin(alice, { size: page.byteLength })).body
    await call(`PUT ${path}/${id}/parts/1`, { as: alice, raw: page })
    const refused = await call(`POST ${path}/${id}/complete`, { as: alice })
    expect(refused).toMatchObject({ status: 415, body: { type: '/docs/errors#wrong-type' } })
    expect((await call(`GET ${path}/${id}`, { as: alice })).status).toBe(404)
    await ring(tenant, lunch)
    await expect.poll(async () => await isStored(id)).toBe(false)
  })

  test('that is larger, or of another type, than the tenant allows', async () => {
    const { tenant, alice, begin } = await story()
    const uploads = { maxBytes: 1000, types: ['image/*', 'application/pdf'] }
    const set = await call('PATCH /v1/settings', { as: tenant.key, body: { uploads } })
    expect(set.body['uploads']).toEqual(uploads)
    expect(await begin(alice, { size: 1001 })).toMatchObject({ status: 413, body: { type: '/docs/errors#too-large' } })
    expect(await begin(alice, { type: 'text/plain' })).toMatchObject({
      status: 415,
      body: { type: '/docs/errors#type-not-allowed' },
    })
    expect((await begin(alice, { type: 'image/webp' })).status).toBe(201)
    expect((await begin(alice, { size: largestUpload + 1 })).status).toBe(400)
  })

  test('by a message whose author did not upload it, did not complete it, or has named it before', async () => {
    const { tenant, alice, bob, upload, send, begin } = await story()
    const { id } = await upload()
    const unknown = { status: 404, body: { type: '/docs/errors#unknown-upload' } }
    expect(await send(bob, [id])).toMatchObject(unknown)
    expect(await send(alice, ['AAAAAAAAAAAAAAAAAAAAAA'])).toMatchObject(unknown)
    const open = (await begin(alice, {})).body.id
    expect(await send(alice, [open])).toMatchObject({ status: 409, body: { type: '/docs/errors#upload-not-ready' } })
    const first = await send(alice, [id], 'once')
    expect(first.status).toBe(201)
    expect(await send(alice, [id], 'once')).toMatchObject({ status: 200, body: { seq: first.body.seq } })
    expect((await send(alice, [id], 'another')).status).toBe(409)
    const elsewhere = await tenant.group('alice', 'bob')
    const moved = { clientId: 'c', text: 'look', attachments: [{ upload: id }] }
    expect(await call(`POST /v1/conversations/${elsewhere}/messages`, { as: alice, body: moved })).toMatchObject(
      unknown,
    )
  })

  test('by a message for later', async () => {
    const { lunch, alice, upload } = await story()
    const { id } = await upload()
    const body = { clientId: 'later', text: 'x', attachments: [{ upload: id }], deliverAt: Date.now() + 3_600_000 }
    const refused = await call(`POST /v1/conversations/${lunch}/messages`, { as: alice, body })
    expect(refused.status).toBe(400)
    expect(refused.body.detail).toMatch(/^attachments: a message for later/)
  })

  test('beyond as many as a user may have open', async () => {
    const { lunch, tenant, begin, bob } = await story()
    const actor = { user: 'bob', client: '', server: false }
    for (let n = 0; n < 20; n++) {
      const id = `${'A'.repeat(20)}${String(n).padStart(2, '0')}`
      await tenant.actorOf(lunch).applyUpload(actor, { kind: 'begin', id, name: 'x', type: 'image/png', size: 1 })
    }
    expect(await begin(bob, {})).toMatchObject({ status: 409, body: { type: '/docs/errors#too-many-uploads' } })
  })
})

describe('access to files', () => {
  test('ends with the membership, and is never given to other users and tenants', async () => {
    const { tenant, lunch, alice, bob, upload, send, links, linkTo } = await story()
    const { id } = await upload()
    // Before a message names it, only its sender reads it.
    expect(await linkTo(bob, id)).toBeUndefined()
    expect(await linkTo(alice, id)).toBeDefined()
    await send(alice, [id])
    expect(await linkTo(bob, id)).toBeDefined()
    expect((await links(await tenant.token('mallory'), id)).status).toBe(404)
    expect((await links((await newTenant()).key, id)).status).toBe(404)
    await tenant.remove(lunch, 'bob')
    expect((await links(bob, id)).status).toBe(404)
  })

  test('a link that is over, changed or of another tenant leads nowhere', async () => {
    const { tenant, lunch, alice, upload, linkTo } = await story()
    const { id } = await upload()
    const link = (await linkTo(alice, id)) ?? ''
    expect((await call(`GET ${link}`)).status).toBe(200)
    expect((await call(`GET ${link.slice(0, -2)}AA`)).status).toBe(404)
    expect(
      (await call(`GET ${link.replace(`/files/${tenant.id}.`, `/files/${(await newTenant()).id}.`)}`)).status,
    ).toBe(404)
    const secret = (await linkSecretOf(env, tenant.id)) ?? ''
    const over = await signLink(secret, tenant.id, { conversation: lunch, upload: id, name: 'x', expiresAt: 1000 })
    expect(await call(`GET /files/${over}`)).toMatchObject({ status: 410, body: { type: '/docs/errors#link-expired' } })
  })

  test('ends with the message, whose file is deleted', async () => {
    const { tenant, lunch, alice, bob, upload, send, linkTo, isStored } = await story()
    const { id } = await upload()
    const { seq } = (await send(alice, [id])).body
    const link = await linkTo(bob, id)
    await call(`DELETE /v1/conversations/${lunch}/messages/${seq}`, { as: alice })
    expect(await linkTo(bob, id)).toBeUndefined()
    await ring(tenant, lunch)
    await expect.poll(async () => await isStored(id)).toBe(false)
    expect((await call(`GET ${link}`)).status).toBe(404)
  })
})

test('the files of a message that may be restored stay, unread, until it is restored or its time is over', async () => {
  const { tenant, lunch, alice, bob, upload, send, linkTo, isStored } = await story()
  const [restored, gone] = [await upload(), await upload()]
  const first = (await send(alice, [restored.id])).body.seq
  const second = (await send(alice, [gone.id])).body.seq
  const path = `/v1/conversations/${lunch}/messages`
  for (const seq of [first, second])
    expect((await call(`DELETE ${path}/${seq}?restorableFor=3600`, { as: tenant.key })).status).toBe(204)
  expect(await linkTo(bob, restored.id)).toBeUndefined()
  await ring(tenant, lunch)
  expect((await call(`POST ${path}/${first}/restore`, { as: tenant.key })).status).toBeLessThan(300)
  expect(await linkTo(bob, restored.id)).toBeDefined()
  await runInDurableObject(tenant.actorOf(lunch), (_, { storage }) => {
    storage.sql.exec('UPDATE uploads SET due = 1 WHERE due IS NOT NULL')
  })
  // The actor remembers when the next file is due.
  await abortAllDurableObjects()
  await ring(tenant, lunch)
  await expect.poll(async () => await isStored(gone.id)).toBe(false)
  expect(await isStored(restored.id)).toBe(true)
})

describe('files that nothing needs any more', () => {
  test('are deleted a day after they were begun when no message names them, and others stay', async () => {
    const { tenant, lunch, alice, upload, send, isStored, begin } = await story()
    const [orphan, kept] = [await upload(), await upload()]
    const open = (await begin(alice, {})).body.id
    await send(alice, [kept.id])
    await runInDurableObject(tenant.actorOf(lunch), (_, { storage }) => {
      storage.sql.exec('UPDATE uploads SET due = 1 WHERE due IS NOT NULL')
    })
    await ring(tenant, lunch)
    await expect.poll(async () => await isStored(orphan.id)).toBe(false)
    const rows = await runInDurableObject(tenant.actorOf(lunch), (_, { storage }) =>
      storage.sql.exec('SELECT id FROM uploads').toArray(),
    )
    expect(z.array(z.object({ id: z.string() })).parse(rows)).toEqual([{ id: kept.id }])
    expect(open).not.toBe(kept.id)
    expect(await isStored(kept.id)).toBe(true)
  })

  test('are deleted with their conversation', async () => {
    const { tenant, lunch, alice, upload, send, isStored } = await story()
    const { id } = await upload()
    await send(alice, [id])
    expect((await call(`DELETE /v1/conversations/${lunch}`, { as: tenant.key })).status).toBe(204)
    await ring(tenant, lunch)
    await expect.poll(async () => await isStored(id)).toBe(false)
  })

  test('an erased user’s go with their messages, and stay with messages that stay', async () => {
    const { tenant, lunch, alice, bob, upload, send, isStored } = await story()
    const [ofAlice, ofBob] = [await upload(alice), await upload(bob)]
    await send(alice, [ofAlice.id])
    await send(bob, [ofBob.id])
    const erase = async (user: string, messages: 'delete' | 'keep-anonymous') => {
      const erased = { user, pseudonym: `erased-${user}`, messages }
      for (let cursor: string | null = ''; cursor !== null;)
        cursor = (await tenant.actorOf(lunch).eraseUser(erased, cursor)).next
    }
    await erase('alice', 'delete')
    await erase('bob', 'keep-anonymous')
    await ring(tenant, lunch)
    await expect.poll(async () => await isStored(ofAlice.id)).toBe(false)
    expect(await isStored(ofBob.id)).toBe(true)
    const rows = await runInDurableObject(tenant.actorOf(lunch), (_, { storage }) =>
      JSON.stringify(storage.sql.exec('SELECT * FROM uploads').toArray()),
    )
    expect(rows).not.toMatch(/"alice"|"bob"/)
  })
})

test('a deleted tenant leaves no bytes, and those of other tenants stay', async () => {
  const [one, other] = [await story(), await story()]
  const [gone, kept] = [await one.upload(), await other.upload()]
  const eraser = eraserOf({ env, tenant: one.tenant.id }, { id: 'blobs', store: 'blobs', part: 'whole' })
  expect(await eraser.verifySome('')).toMatchObject({ left: 1 })
  for (let cursor: string | null = ''; cursor !== null;) cursor = (await eraser.eraseSome(cursor)).next
  expect(await eraser.verifySome('')).toMatchObject({ left: 0 })
  expect(await one.isStored(gone.id)).toBe(false)
  expect(await other.isStored(kept.id)).toBe(true)
})

test('a message is not kept from Postgres by an alarm that waits for a file', async () => {
  const { tenant, lunch, begin, alice } = await story()
  await begin(alice, {})
  await ring(tenant, lunch)
  const alarmAt = async () => await runInDurableObject(tenant.actorOf(lunch), (_, { storage }) => storage.getAlarm())
  await tenant.postMany(lunch, 'bob', 1)
  expect((await alarmAt()) ?? Infinity).toBeLessThan(Date.now() + 3_600_000)
})
