import { Hono } from 'hono'
import { fromDependency } from '../../../adapters/dependency.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { tenantOfLink } from '../../../kernel/signed-token.ts'
import { blobKey } from '../../../protocol/blob-keys.ts'
import type { BlobInfo, BlobStore } from '../../../uploads/blob-store.ts'
import { fileHeaders, rangeOf } from '../../../uploads/file-headers.ts'
import { readLink, type FileLink } from '../../../uploads/links.ts'
import type { App, AppContext } from '../../http/context.ts'
import { fail } from '../../http/problem.ts'
import { tenantRecordOf } from '../../identity/tenants.ts'
import { streamedFile } from './body.ts'
import { linkSecretOf } from './link-secret.ts'
import { storeOf } from './uploads.ts'

/** The longest token: a conversation, an upload, and a name of 255 characters that JSON escapes. */
const maxTokenLength = 4096

/** Where links to files lead. The token in the address says everything; no other credential is asked for. */
export const files = new Hono<App>().get('/files/:token', async (c) => {
  const { tenant, link } = await linkOf(c)
  const store = storeOf(c.env)
  const key = blobKey(tenant, link.conversation, link.upload)
  return await answer(c, store, key, link)
})

async function linkOf(c: AppContext): Promise<{ readonly tenant: string; readonly link: FileLink }> {
  const token = c.req.param('token') ?? ''
  const tenant = tenantOfLink(token)
  const now = systemClock.now()
  // No actor is opened for a tenant that there is not.
  const isPossible = tenant !== '' && token.length <= maxTokenLength
  const record = isPossible ? await tenantRecordOf(c.env, tenant, now) : undefined
  const secret = record?.state === 'active' ? await linkSecretOf(c.env, tenant) : undefined
  const link = secret === undefined ? undefined : await readLink(secret, token)
  if (link === undefined) return fail('not-found', 'this link is not whole, or not of this system; ask for a new one')
  if (link.expiresAt <= now) fail('link-expired', 'the link is over; ask for a new one with POST …/upload-links')
  return { tenant, link }
}

async function answer(c: AppContext, store: BlobStore, key: string, link: FileLink): Promise<Response> {
  const { method, headers } = c.req.raw
  const asked = headers.get('range')
  const secondsLeft = Math.max(0, Math.floor((link.expiresAt - systemClock.now()) / 1000))
  const headersOf = (info: BlobInfo) => fileHeaders(info, link.name, secondsLeft)
  const stored = async <T>(call: () => Promise<T | undefined>): Promise<T> =>
    (await fromDependency('blobs', call, c.env.request)) ?? gone()
  if (method === 'HEAD' || asked !== null || headers.has('if-none-match')) {
    const info = await stored(() => store.head(key))
    if (headers.get('if-none-match') === info.etag) return new Response(null, { status: 304, headers: headersOf(info) })
    const ifRange = headers.get('if-range')
    const range = ifRange === null || ifRange === info.etag ? rangeOf(asked, info.size) : 'whole'
    if (range === 'unsatisfiable')
      return new Response(null, { status: 416, headers: { 'Content-Range': `bytes */${info.size}` } })
    if (method === 'HEAD')
      return new Response(null, { headers: { ...headersOf(info), 'Content-Length': String(info.size) } })
    if (range !== 'whole') {
      const part = await stored(() => store.get(key, range))
      const last = range.offset + range.length - 1
      const shown = {
        ...headersOf(part),
        'Content-Length': String(range.length),
        'Content-Range': `bytes ${range.offset}-${last}/${info.size}`,
      }
      return new Response(streamedFile(part.body, range.length), { status: 206, headers: shown })
    }
  }
  const blob = await stored(() => store.get(key))
  return new Response(streamedFile(blob.body, blob.size), {
    headers: { ...headersOf(blob), 'Content-Length': String(blob.size) },
  })
}

const gone = (): never => fail('not-found', 'the file is deleted')
