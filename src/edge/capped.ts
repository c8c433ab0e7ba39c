import { fail, ProblemError } from './problem.ts'

/**
 * A request's body, at most `bytes` of it. One that says how long it is cannot be longer (RFC 9112 §6.3), so it is read at once
 * or not at all; any other is read piece by piece, so that nobody fills the memory. A body compressed with gzip is
 * decompressed, and `bytes` bound its length before and after.
 */
export async function cappedBody(request: Request, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN)
  if (declared > bytes) return tooLarge(bytes)
  const encoding = request.headers.get('content-encoding')?.trim().toLowerCase() ?? ''
  if (encoding === 'gzip' || encoding === 'x-gzip') return await readCompressed(request, bytes)
  if (encoding !== '' && encoding !== 'identity')
    return fail('unsupported-encoding', `Content-Encoding: gzip or none, got ${encoding.slice(0, 64)}`)
  const body = declared <= bytes ? new Uint8Array(await request.arrayBuffer()) : await readPieces(request.body, bytes)
  return body.byteLength > bytes ? tooLarge(bytes) : body
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
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.byteLength
    if (size > bytes) return tooLarge(bytes)
    chunks.push(chunk)
  }
  return joined(chunks, size)
}

const tooLarge = (bytes: number): never => fail('too-large', `the body may have at most ${bytes} bytes`)

/** Bytes as UTF-8 text. */
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
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
