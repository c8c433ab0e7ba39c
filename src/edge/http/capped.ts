import { systemClock } from '../../kernel/clock.ts'
import { bodyBytesPerSecond, bodyDueMs, bodyGraceMs } from '../../limits/body-pace.ts'
import type { AppContext } from './context.ts'
import { fail, ProblemError } from './problem.ts'

/** A body that says it is this short is read at once: its deadline is hardly later than the grace of any body. */
const atOnceBytes = 16_384

/**
 * A request's body, at most `bytes` of it, and only as long as it comes fast enough (limits/body-pace.ts); otherwise the
 * request fails with 413 or 408. A body that says how long it is cannot be longer (RFC 9112 §6.3); a longer one is read piece
 * by piece. A body compressed with gzip is decompressed, and `bytes` bound its length before and after. Every body of a
 * client is read here.
 */
export async function requestBody(c: AppContext, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const reading = cappedBody(c.req.raw, bytes)
  return await (c.get('work')?.whileWaiting(reading) ?? reading)
}

/** The same of a request that is not counted as load. */
export async function cappedBody(request: Request, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN)
  if (declared > bytes) return tooLarge(bytes)
  const encoding = request.headers.get('content-encoding')?.trim().toLowerCase() ?? ''
  if (encoding === 'gzip' || encoding === 'x-gzip') return await readCompressed(request, bytes)
  if (encoding !== '' && encoding !== 'identity')
    return fail('unsupported-encoding', `Content-Encoding: gzip or none, got ${encoding.slice(0, 64)}`)
  if (!(declared <= atOnceBytes)) return await readPieces(request.body, bytes)
  const body = new Uint8Array(await inTime(0, bodyDueMs(declared), request.arrayBuffer()))
  return body.byteLength > bytes ? tooLarge(bytes) : body
}

/** The body as it came, of a request that says that it has at most `bytes`; a slow one fails with 408. */
export async function rawBody(request: Request, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  return await readPieces(request.body, bytes)
}

async function readCompressed({ body }: Request, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readPieces(body?.pipeThrough(new DecompressionStream('gzip')), bytes)
  } catch (thrown) {
    if (thrown instanceof ProblemError) throw thrown
    return fail('invalid-request', 'Content-Encoding: gzip, but the body is not')
  }
}

async function readPieces(
  body: ReadableStream<Uint8Array> | null | undefined,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  const reader = body?.getReader()
  const begun = systemClock.now()
  for (let size = 0; ;) {
    const leftMs = bodyDueMs(size) - (systemClock.now() - begun)
    const piece = reader === undefined ? undefined : await inTime(size, leftMs, reader.read())
    if (piece?.value === undefined) return joined(chunks, size)
    size += piece.value.byteLength
    if (size > bytes) {
      reader?.cancel().catch(() => {})
      return tooLarge(bytes)
    }
    chunks.push(piece.value)
  }
}

/** What comes within `ms`; a client that takes longer, after `bytes`, is no longer waited for. */
async function inTime<T>(bytes: number, ms: number, coming: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(tooSlow(bytes)), Math.max(0, ms))
  // What comes after its time is of no use, nor is how it fails.
  coming.catch(() => {})
  try {
    return await Promise.race([coming, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

const tooSlow = (bytes: number) =>
  new ProblemError({
    name: 'request-timeout',
    detail: `the body must come with at least ${bodyBytesPerSecond} bytes a second after ${bodyGraceMs / 1000} s; got ${bytes}`,
  })

const tooLarge = (bytes: number): never => fail('too-large', `the body may have at most ${bytes} bytes`)

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/** Bytes as UTF-8 text. */
export function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return fail('not-json', 'the body must be UTF-8')
  }
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.byteLength
  }
  return all
}
