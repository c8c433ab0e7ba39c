import { DependencyError } from '../../../adapters/dependency.ts'
import { log, reasonOf } from '../../../kernel/log.ts'
import { idsOf } from '../../../kernel/request-context.ts'
import { bodyGraceMs } from '../../../limits/body-pace.ts'
import type { BlobBody } from '../../../uploads/blob-store.ts'
import type { AppContext } from '../../http/context.ts'
import { fail } from '../../http/problem.ts'

/** The lowest average rate of a file on its way, in bytes per second. */
const bytesPerSecond = 32_768

/** How long `bytes` of a file may be on their way, in milliseconds. */
const dueMs = (bytes: number): number => bodyGraceMs + (bytes / bytesPerSecond) * 1000

/**
 * Hands the body of a request, which has to have `size` bytes, to a store while it arrives: no more of it is in memory than is on its way.
 * A body of another length, or one that comes too slowly, fails, and so does the store then.
 */
export async function streamBody<T>(c: AppContext, size: number, store: (body: BlobBody) => Promise<T>): Promise<T> {
  const { body, headers } = c.req.raw
  const declared = headers.get('content-length')
  if (body === null || (declared !== null && Number(declared) !== size))
    return fail('invalid-request', `body: this part has ${size} bytes, got ${body === null ? 0 : declared}`)
  if ((headers.get('content-encoding') ?? 'identity') !== 'identity')
    return fail('unsupported-encoding', 'Content-Encoding: none; a file is stored as it comes')
  const { readable, writable } = new FixedLengthStream(size)
  const signal = AbortSignal.timeout(dueMs(size))
  let failed: 'client' | 'store' | undefined
  const arriving = body.pipeTo(writable, { signal }).catch((thrown: unknown) => {
    failed ??= 'client'
    throw thrown
  })
  const storing = store(readable).catch((thrown: unknown) => {
    failed ??= 'store'
    throw thrown
  })
  const both = Promise.allSettled([arriving, storing])
  const [arrived, stored] = await (c.get('work')?.whileWaiting(both) ?? both)
  if (stored.status === 'fulfilled' && arrived.status === 'fulfilled') return stored.value
  if (signal.aborted)
    return fail(
      'request-timeout',
      `body: must come with at least ${bytesPerSecond} bytes a second; send the part again`,
    )
  if (failed === 'client') return fail('invalid-request', `body: ended before its ${size} bytes; send the part again`)
  const reason = stored.status === 'rejected' ? stored.reason : 'the body was not taken'
  log.warn('uploads.not-stored', { ...idsOf(c.env.request), reason: reasonOf(reason) })
  throw new DependencyError('blobs', reason)
}

/** A file on its way to a client: no more of it is in memory than is on its way, and a client that does not read is left. */
export function streamedFile(body: ReadableStream<Uint8Array>, length: number): ReadableStream<Uint8Array> {
  const { readable, writable } = new FixedLengthStream(length)
  // The client is gone, or too slow.
  body.pipeTo(writable, { signal: AbortSignal.timeout(dueMs(length)) }).catch(() => undefined)
  return readable
}
