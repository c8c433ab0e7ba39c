import { AwsV4Signer } from 'aws4fetch'
import { keysPerPage, type BlobBody, type BlobInfo, type BlobStore } from '../../uploads/blob-store.ts'
import { blobs } from '../dependencies.ts'
import { callDependency, requestDeadlineMs, type Answered } from '../dependency.ts'
import { dropBody } from '../../kernel/drop-body.ts'
import { inLanes } from '../../kernel/in-lanes.ts'

/** A bucket of an S3-compatible service. */
export interface S3Bucket {
  /** The bucket's address without a slash at its end: `https://s3.eu-central-1.amazonaws.com/my-bucket`. */
  readonly url: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
}

/** Deletions of one call that are under way at a time. */
const deletionsTogether = 4

type Fetch = (request: Request) => Promise<Response>

/** The answer of the service was no success. */
class S3Error extends Error {
  constructor(what: string, status: number, text: string) {
    super(`${what}: ${status} ${tag(text, 'Code') ?? ''}`.trim())
  }
}

/**
 * A bucket behind the S3 API. Requests that carry a client's bytes are made once, without the breaker: a slow client says nothing about
 * the service. All others are calls of a dependency.
 */
export function s3Store(bucket: S3Bucket, send: Fetch = (request) => fetch(request)): BlobStore {
  const urlOf = (key: string, query: Readonly<Record<string, string>> = {}): string => {
    const url = new URL(key === '' ? bucket.url : `${bucket.url}/${key}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url.href
  }
  const signed = async (method: string, url: string, headers: Record<string, string>, body?: BlobBody | string) => {
    const { accessKeyId, secretAccessKey, region } = bucket
    const signer = new AwsV4Signer({
      method,
      url,
      // Over TLS the signature of the body would only repeat what TLS does, and a stream would have to be read before it is sent.
      headers: { 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD', ...headers },
      accessKeyId,
      secretAccessKey,
      region,
      service: 's3',
    })
    const { url: to, headers: all } = await signer.sign()
    return new Request(to, { method, headers: all, ...(body === undefined ? {} : { body, duplex: 'half' }) })
  }
  /** A request without a client's bytes; null for what is not there. */
  const ask = async (
    method: string,
    url: string,
    { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {},
  ): Promise<Response | null> =>
    await callDependency(
      blobs,
      { deadlineMs: requestDeadlineMs },
      async (signal): Promise<Answered<Response | null>> => {
        const response = await send(new Request(await signed(method, url, headers, body), { signal }))
        if (response.ok) return { value: response }
        if (response.status === 404) {
          await dropBody(response)
          return { value: null }
        }
        throw new S3Error(method, response.status, await response.text())
      },
    )
  const text = async (
    method: string,
    url: string,
    body?: string,
    headers?: Record<string, string>,
  ): Promise<string> => {
    const answer = await ask(method, url, {
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    })
    if (answer === null) throw new S3Error(method, 404, '')
    return await answer.text()
  }
  const transfer = async (url: string, body: BlobBody, size: number): Promise<string> => {
    const response = await send(await signed('PUT', url, { 'Content-Length': String(size) }, body))
    const answer = await response.text()
    if (!response.ok) throw new S3Error('PUT', response.status, answer)
    return response.headers.get('etag') ?? ''
  }
  return {
    begin: async (key, type) => {
      const id = tag(await text('POST', urlOf(key, { uploads: '' }), undefined, { 'Content-Type': type }), 'UploadId')
      if (id === undefined) throw new Error('POST: the answer has no UploadId')
      return id
    },
    putPart: async (key, id, part, body, size) =>
      await transfer(urlOf(key, { partNumber: String(part), uploadId: id }), body, size),
    complete: async (key, id, parts) => {
      const listed = parts.map(
        ({ part, etag }) => `<Part><PartNumber>${part}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
      )
      const body = `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`
      const answer = await text('POST', urlOf(key, { uploadId: id }), body)
      // The service begins its answer before it knows whether it succeeds.
      if (answer.includes('<Error>')) throw new S3Error('POST', 200, answer)
    },
    abort: async (key, id) => {
      const answer = await ask('DELETE', urlOf(key, { uploadId: id }))
      if (answer !== null) await dropBody(answer)
    },
    get: async (key, range) => {
      const headers = range === undefined ? {} : { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }
      const answer = await ask('GET', urlOf(key), { headers })
      if (answer === null) return undefined
      return answer.body === null ? undefined : { ...infoOf(answer), body: answer.body }
    },
    head: async (key) => {
      const answer = await ask('HEAD', urlOf(key))
      return answer === null ? undefined : infoOf(answer)
    },
    delete: async (keys) => {
      await inLanes(deletionsTogether, keys, async (key) => {
        const answer = await ask('DELETE', urlOf(key))
        if (answer !== null) await dropBody(answer)
      })
    },
    list: async (prefix, cursor) => {
      const after = cursor === undefined ? {} : { 'continuation-token': cursor }
      const query = { 'list-type': '2', prefix, 'max-keys': String(keysPerPage), ...after }
      const answer = await text('GET', urlOf('', query))
      const keys = [...answer.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => unescaped(key))
      return { keys, next: tag(answer, 'NextContinuationToken') }
    },
  }
}

function infoOf({ headers }: Response): BlobInfo {
  const whole = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
  return {
    size: Number(whole ?? headers.get('content-length') ?? 0),
    type: headers.get('content-type') ?? 'application/octet-stream',
    etag: headers.get('etag') ?? '',
  }
}

function tag(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]
  return found === undefined ? undefined : unescaped(found)
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
const unescaped = (text: string) =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')
