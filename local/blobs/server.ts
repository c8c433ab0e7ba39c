import { AwsV4Signer } from 'aws4fetch'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { BlobFolder } from './folder.ts'

/** The credentials of the one client. */
export interface BlobCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface BlobServer {
  /** The address of its bucket. */
  readonly url: string
  readonly port: number
  stop(): Promise<void>
}

export const blobRegion = 'local'
const bucket = 'blobs'
/** A signed request is accepted within this time, as S3 does. */
const clockSkewMs = 15 * 60_000
/** The longest body of a request that is not an object. */
const maxXmlBytes = 1 << 20

class S3Failure extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string) {
    super(code)
    this.status = status
    this.code = code
  }
}

interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly key: string
  readonly query: URLSearchParams
}

/**
 * A folder behind the part of the S3 API that Parley uses, on loopback: uploads in parts, get with a range, head, delete and list.
 * Signatures are checked as S3 checks them.
 */
export async function startBlobServer(
  root: string,
  credentials: BlobCredentials,
  now = () => Date.now(),
): Promise<BlobServer> {
  const folder = await BlobFolder.open(root, now())
  const server = createServer((request, response) => {
    serve(folder, credentials, now(), request, response).catch((thrown: unknown) => {
      if (response.headersSent) return response.destroy()
      const { status, code } = thrown instanceof S3Failure ? thrown : { status: 500, code: 'InternalError' }
      request.resume()
      return answer(response, status, `<Error><Code>${code}</Code></Error>`)
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/${bucket}`,
    port,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

async function serve(
  folder: BlobFolder,
  credentials: BlobCredentials,
  now: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  await requireSignature(credentials, now, request)
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://blobs')
  const [, first = '', key = ''] = /^\/([^/]+)\/?(.*)$/.exec(pathname) ?? []
  if (first !== bucket || !isKey(key)) throw new S3Failure(404, 'NoSuchKey')
  const call = { request, response, key, query: searchParams }
  const work = key === '' ? (request.method === 'GET' ? list : undefined) : works[request.method ?? '']
  if (work === undefined) throw new S3Failure(405, 'MethodNotAllowed')
  await work(folder, call)
}

const isKey = (key: string) => key === '' || (/^[\w.-]+(?:\/[\w.-]+)*$/.test(key) && !/(?:^|\/)\.\.?(?:\/|$)/.test(key))

type Work = (folder: BlobFolder, call: Call) => Promise<void>

const works: Readonly<Record<string, Work>> = { PUT: put, POST: post, GET: get, HEAD: get, DELETE: remove }

async function put(folder: BlobFolder, { request, response, key, query }: Call): Promise<void> {
  const part = Number(query.get('partNumber'))
  if (!Number.isInteger(part) || part < 1) throw new S3Failure(400, 'InvalidArgument')
  const etag = await folder.putPart(key, query.get('uploadId') ?? '', part, request)
  if (etag === undefined) throw new S3Failure(404, 'NoSuchUpload')
  answer(response, 200, '', { ETag: etag })
}

async function post(folder: BlobFolder, { request, response, key, query }: Call): Promise<void> {
  if (query.has('uploads')) {
    request.resume()
    const id = await folder.begin(key, request.headers['content-type'] ?? 'application/octet-stream')
    return answer(
      response,
      200,
      `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
    )
  }
  const xml = await readText(request)
  const found = xml.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)
  const parts = [...found].map(([, part, etag = '']) => ({ part: Number(part), etag: etag.replaceAll('&quot;', '"') }))
  const etag = await folder.complete(key, query.get('uploadId') ?? '', parts)
  if (etag === undefined) throw new S3Failure(404, 'NoSuchUpload')
  answer(response, 200, '<CompleteMultipartUploadResult></CompleteMultipartUploadResult>')
}

async function get(folder: BlobFolder, { request, response, key }: Call): Promise<void> {
  const found = await folder.find(key)
  if (found === undefined) throw new S3Failure(404, 'NoSuchKey')
  const { size, type, etag } = found
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  const first = Number(from ?? 0)
  const last = Math.min(Number(to ?? size - 1), size - 1)
  if (from !== undefined && first >= size) throw new S3Failure(416, 'InvalidRange')
  response.writeHead(from === undefined ? 200 : 206, {
    'Content-Type': type,
    ETag: etag,
    'Content-Length': last - first + 1,
    ...(from === undefined ? {} : { 'Content-Range': `bytes ${first}-${last}/${size}` }),
  })
  if (request.method === 'HEAD' || size === 0) response.end()
  else await pipeline(found.read(first, last), response).catch(() => undefined)
}

async function remove(folder: BlobFolder, { response, key, query }: Call): Promise<void> {
  const id = query.get('uploadId')
  if (id === null) await folder.delete(key)
  else if (/^[\w-]+$/.test(id)) await folder.abort(id)
  answer(response, 204, '')
}

async function list(folder: BlobFolder, { response, query }: Call): Promise<void> {
  const limit = Number(query.get('max-keys') ?? 1000)
  const keys = await folder.list(query.get('prefix') ?? '', query.get('continuation-token') ?? '', limit + 1)
  const page = keys.slice(0, limit)
  const next = keys.length > limit ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
  const contents = page.map((key) => `<Contents><Key>${key}</Key></Contents>`).join('')
  answer(response, 200, `<ListBucketResult>${contents}${next}</ListBucketResult>`)
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  request.setEncoding('utf8')
  for await (const piece of request) {
    text += String(piece)
    if (text.length > maxXmlBytes) throw new S3Failure(400, 'EntityTooLarge')
  }
  return text
}

function answer(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  const type = body === '' ? {} : { 'Content-Type': 'application/xml' }
  response.writeHead(status, { ...type, ...headers, 'Content-Length': Buffer.byteLength(body) }).end(body)
}

/** Signs the request once more with the same headers and time, and compares. */
async function requireSignature(credentials: BlobCredentials, now: number, request: IncomingMessage): Promise<void> {
  const given = request.headers.authorization ?? ''
  const datetime = String(request.headers['x-amz-date'] ?? '')
  const [, names = ''] = /SignedHeaders=([^,]+)/.exec(given) ?? []
  const headers = Object.fromEntries(
    names
      .split(';')
      .filter((name) => name !== 'host' && name !== '')
      .map((name) => [name, String(request.headers[name] ?? '')]),
  )
  const at = Date.parse(datetime.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(at - now) <= clockSkewMs)) throw new S3Failure(403, 'RequestTimeTooSkewed')
  const signer = new AwsV4Signer({
    method: request.method ?? 'GET',
    url: `http://${request.headers.host}${request.url}`,
    headers,
    ...credentials,
    region: blobRegion,
    service: 's3',
    datetime,
  })
  const expected = (await signer.sign()).headers.get('authorization')
  if (expected !== given) throw new S3Failure(403, 'SignatureDoesNotMatch')
}
