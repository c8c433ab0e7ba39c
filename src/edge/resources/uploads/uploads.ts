import { z } from 'zod'
import { openBlobs } from '../../../adapters/blobs/open.ts'
import { fromDependency } from '../../../adapters/dependency.ts'
import { loadConfig } from '../../../config.ts'
import type { Upload } from '../../../conversations/ports.ts'
import { expiresAt, type UploadAction } from '../../../conversations/uploads.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { randomToken } from '../../../kernel/id.ts'
import { blobKey } from '../../../protocol/blob-keys.ts'
import { conversationParams } from '../../../protocol/conversation-views.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { conversationId } from '../../../protocol/payloads.ts'
import {
  defaultUploadBytes,
  linkList,
  linksWanted,
  maxParts,
  mebibytesOf,
  newUpload,
  partBytesOf,
  sizeOfPart,
  uploadId,
  uploadView,
  type UploadView,
} from '../../../protocol/uploads-api.ts'
import type { BlobStore } from '../../../uploads/blob-store.ts'
import { isAllowed, sniff, sniffedBytes } from '../../../uploads/file-type.ts'
import { linkEnd, signLink } from '../../../uploads/links.ts'
import type { AppContext } from '../../http/context.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { possibleConversation } from '../../identity/conversation-ids.ts'
import { tenantRecordOf } from '../../identity/tenants.ts'
import { takeMebibytes } from '../../rate-limits/items.ts'
import { actingUser, actorOf, type Caller } from '../conversations/caller.ts'
import { streamBody } from './body.ts'
import { linkSecretOf } from './link-secret.ts'

const uploadParams = z.object({ id: conversationId, upload: uploadId })
const path = '/v1/conversations/{id}/uploads'
const example: UploadView = {
  id: 'Xk3J9xQ2aLm0pT7vB1cD_e',
  name: 'lunch.png',
  type: 'image/png',
  size: 48_213,
  state: 'open',
  partBytes: 5_242_880,
  parts: 1,
  received: [],
  expiresAt: 1764547200000,
}

const begin = defineOperation({
  id: 'beginUpload',
  method: 'post',
  path,
  tag: 'Uploads',
  summary: 'Begin the upload of a file',
  description:
    'Answers how the file is sent: in `parts` parts of `partBytes` bytes, the last one with the rest, in any order. An upload that no message names within a day is deleted.',
  access: 'user-or-server',
  params: conversationParams,
  body: newUpload,
  rateLimit: 'uploads',
  responses: { 201: uploadView },
  errors: ['too-large', 'type-not-allowed', 'too-many-uploads', 'banned', 'frozen'],
  example: { body: { name: 'lunch.png', type: 'image/png', size: 48_213 }, response: example },
})

const beginUpload = operation(begin, async ({ c, caller, params: { id }, body: { user, name, type, size } }) => {
  storeOf(c.env)
  const { maxBytes = defaultUploadBytes, types } =
    (await tenantRecordOf(c.env, caller.tenant, systemClock.now()))?.uploads ?? {}
  if (size > maxBytes) fail('too-large', `size: at most ${maxBytes} bytes, got ${size}`)
  if (types !== undefined && !isAllowed(type, types))
    fail('type-not-allowed', `type: must be one of ${types.join(', ').slice(0, 500)}; got ${type}`)
  await takeMebibytes(c.env, caller, mebibytesOf(size))
  const actor = actorOf(caller, actingUser(caller, user))
  const action = { kind: 'begin', id: randomToken(22), name, type, size } as const
  const { upload } = accepted(await possibleConversation(c.env, caller.tenant, id).applyUpload(actor, action))
  return { status: 201, body: viewOf(known(upload)) }
})

const read = defineOperation({
  id: 'readUpload',
  method: 'get',
  path: `${path}/{upload}`,
  tag: 'Uploads',
  summary: 'Read an upload of yours: which parts are stored',
  description: 'A client that was cut off sends the parts that are missing in `received`.',
  access: 'user-or-server',
  params: uploadParams,
  responses: { 200: uploadView },
  errors: ['unknown-upload', 'banned', 'frozen'],
  example: { response: example },
})

const readUpload = operation(read, async ({ c, caller, params: { id, upload } }) => ({
  status: 200,
  body: viewOf(await apply(c, caller, id, { kind: 'read', id: upload })),
}))

const put = defineOperation({
  id: 'putUploadPart',
  method: 'put',
  path: `${path}/{upload}/parts/{part}`,
  tag: 'Uploads',
  summary: 'Send a part of a file',
  description:
    'The body is the bytes of the part as they are, without an encoding. The same part again replaces it, until the upload is complete.',
  access: 'user-or-server',
  params: uploadParams.extend({ part: z.coerce.number().int().min(1).max(maxParts) }),
  body: z.string().meta({ format: 'binary' }),
  rawBody: ['application/octet-stream'],
  isTransfer: true,
  responses: { 200: uploadView },
  errors: ['unknown-upload', 'banned', 'frozen'],
})

const putPart = operation(put, async ({ c, caller, params: { id, upload, part } }) => {
  const store = storeOf(c.env)
  let begun = await apply(c, caller, id, { kind: 'read', id: upload })
  if (part > begun.etags.length)
    fail('not-found', `part: the file has ${begun.etags.length} parts, there is no ${part}`)
  if (begun.state === 'ready') return { status: 200, body: viewOf(begun) }
  const key = blobKey(caller.tenant, id, upload)
  if (begun.multipart === null) {
    const multipart = await asked(c, () => store.begin(key, begun.type))
    begun = await apply(c, caller, id, { kind: 'noteMultipart', id: upload, multipart })
    // Another part has begun it at the same time.
    if (begun.multipart !== multipart) await asked(c, () => store.abort(key, multipart))
  }
  const multipart = begun.multipart ?? ''
  const size = sizeOfPart(begun.size, part)
  const etag = await streamBody(c, size, (body) => store.putPart(key, multipart, part, body, size))
  return { status: 200, body: viewOf(await apply(c, caller, id, { kind: 'notePart', id: upload, part, etag })) }
})

const complete = defineOperation({
  id: 'completeUpload',
  method: 'post',
  path: `${path}/{upload}/complete`,
  tag: 'Uploads',
  summary: 'Complete an upload, so that a message can name it',
  description:
    'The bytes have to be of the type that was given: a file of another type is deleted. Of a picture the answer, and then the message, says how large it is.',
  access: 'user-or-server',
  params: uploadParams,
  responses: { 200: uploadView },
  errors: ['unknown-upload', 'upload-not-ready', 'wrong-type', 'banned', 'frozen'],
  example: { response: { ...example, state: 'ready', received: [1], width: 640, height: 480 } },
})

const completeUpload = operation(complete, async ({ c, caller, params: { id, upload } }) => {
  const store = storeOf(c.env)
  const begun = await apply(c, caller, id, { kind: 'read', id: upload })
  if (begun.state === 'ready') return { status: 200, body: viewOf(begun) }
  const missing = begun.etags.flatMap((etag, index) => (etag === '' ? [index + 1] : []))
  if (missing.length > 0) fail('upload-not-ready', `parts: send those that are missing first: ${missing.join(', ')}`)
  const key = blobKey(caller.tenant, id, upload)
  await makeWhole(c, store, key, begun)
  const head = await asked(c, () => readHead(store, key))
  const found = sniff(begun.type, head)
  if (found.kind === 'lies') {
    const actor = actorOf(caller)
    await possibleConversation(c.env, caller.tenant, id).applyUpload(actor, { kind: 'cancel', id: upload })
    return fail('wrong-type', `type: ${begun.type} was given, but the bytes are ${found.found}; the file is deleted`)
  }
  const { kind: _, ...dimensions } = found
  return { status: 200, body: viewOf(await apply(c, caller, id, { kind: 'complete', id: upload, ...dimensions })) }
})

/** Puts the parts together. A request that was cut off may have done so. */
async function makeWhole(
  c: AppContext,
  store: BlobStore,
  key: string,
  { multipart, etags, size }: Upload,
): Promise<void> {
  const parts = etags.map((etag, index) => ({ part: index + 1, etag }))
  await asked(c, async () => {
    try {
      await store.complete(key, multipart ?? '', parts)
    } catch (thrown) {
      if ((await store.head(key))?.size !== size) throw thrown
    }
  })
}

async function readHead(store: BlobStore, key: string): Promise<Uint8Array> {
  const blob = await store.get(key, { offset: 0, length: sniffedBytes })
  if (blob === undefined) throw new Error('the file is not there')
  return new Uint8Array(await new Response(blob.body).arrayBuffer())
}

const cancel = defineOperation({
  id: 'cancelUpload',
  method: 'delete',
  path: `${path}/{upload}`,
  tag: 'Uploads',
  summary: 'Cancel an upload and delete its bytes',
  description: 'An upload that a message names is deleted with the message.',
  access: 'user-or-server',
  params: uploadParams,
  responses: { 204: null },
  errors: ['unknown-upload', 'conflict', 'banned', 'frozen'],
})

const cancelUpload = operation(cancel, async ({ c, caller, params: { id, upload } }) => {
  const action = { kind: 'cancel', id: upload } as const
  accepted(await possibleConversation(c.env, caller.tenant, id).applyUpload(actorOf(caller), action))
  return { status: 204 }
})

const links = defineOperation({
  id: 'linkUploads',
  method: 'post',
  path: '/v1/conversations/{id}/upload-links',
  tag: 'Uploads',
  summary: 'Get links to files of messages',
  description:
    'A link is an address that needs no token and works until `expiresAt`, with ranges. Files that the caller may not read are left out.',
  access: 'user-or-server',
  params: conversationParams,
  body: linksWanted,
  isSecret: true,
  responses: { 200: linkList },
  errors: ['banned'],
  example: {
    body: { uploads: [example.id] },
    response: {
      links: [{ upload: example.id, url: 'https://chat.example.com/files/acme.eyJjIjoi.c2lnbmVk' }],
      expiresAt: 1764462000000,
    },
  },
})

const linkUploads = operation(links, async ({ c, caller, params: { id }, body: { uploads: ids } }) => {
  const { tenant } = caller
  const conversation = possibleConversation(c.env, tenant, id)
  const { uploads } = accepted(await conversation.readableUploads(actorOf(caller), [...new Set(ids)]))
  const secret = await linkSecretOf(c.env, tenant)
  if (secret === undefined) return fail('unavailable', 'links: ENCRYPTION_KEYS is not set, so that none can be signed')
  const expires = linkEnd(systemClock.now())
  const { publicUrl } = loadConfig(c.env)
  const made = uploads.map(async ({ id: upload, name }) => {
    const token = await signLink(secret, tenant, { conversation: id, upload, name, expiresAt: expires })
    return { upload, url: `${publicUrl}/files/${token}` }
  })
  return { status: 200, body: { links: await Promise.all(made), expiresAt: expires } }
})

/** Uploads of files into conversations, and links to them. */
export const uploads = [beginUpload, readUpload, putPart, completeUpload, cancelUpload, linkUploads]

/** The store of blobs; without one there are no uploads. */
export function storeOf(env: Env): BlobStore {
  return (
    openBlobs(env) ?? fail('unavailable', 'uploads: no store for files is configured; bind R2 or set BLOB_BUCKET_URL')
  )
}

async function apply(c: AppContext, caller: Caller, conversation: string, action: UploadAction): Promise<Upload> {
  const answer = await possibleConversation(c.env, caller.tenant, conversation).applyUpload(actorOf(caller), action)
  return known(accepted(answer).upload)
}

const known = (upload: Upload | undefined): Upload => upload ?? fail('internal-error', 'the upload is gone')

const asked = <T>(c: AppContext, call: () => Promise<T>): Promise<T> => fromDependency('blobs', call, c.env.request)

function viewOf(upload: Upload): UploadView {
  const { id, name, type, size, state, etags, width, height } = upload
  return {
    id,
    name,
    type,
    size,
    state,
    partBytes: partBytesOf(size),
    parts: etags.length,
    received: etags.flatMap((etag, index) => (etag === '' ? [] : [index + 1])),
    ...(width === undefined || height === undefined ? {} : { width, height }),
    expiresAt: expiresAt(upload),
  }
}
