import { hex } from './base64.ts'

/** Who signs a request to AWS, and for what. */
export interface AwsSigning {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
  readonly service: string
}

/**
 * The headers of a request with AWS Signature Version 4 ("Create a signed AWS API request"). `x-amz-date` and `authorization` are
 * added to those given.
 */
export async function signedByAws(
  request: {
    readonly method: string
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
  },
  { accessKeyId, secretAccessKey, region, service }: AwsSigning,
  now: number,
): Promise<Record<string, string>> {
  const { host, pathname, searchParams } = new URL(request.url)
  const time = new Date(now).toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  const date = time.slice(0, 8)
  const headers = { ...request.headers, 'x-amz-date': time }
  const signed = Object.entries({ ...headers, host })
    .map(([name, value]) => [name.toLowerCase(), value.trim().replaceAll(/ +/g, ' ')] as const)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  const names = signed.map(([name]) => name).join(';')
  const query = [...searchParams]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .toSorted()
    .join('&')
  const canonical = [
    request.method,
    pathname,
    query,
    ...signed.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    await sha256(request.body),
  ].join('\n')
  const scope = `${date}/${region}/${service}/aws4_request`
  const text = ['AWS4-HMAC-SHA256', time, scope, await sha256(canonical)].join('\n')
  let key = new Uint8Array(new TextEncoder().encode(`AWS4${secretAccessKey}`))
  for (const part of [date, region, service, 'aws4_request']) key = new Uint8Array(await hmac(key, part))
  const signature = hex(await hmac(key, text))
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
  }
}

const encoded = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )

const sha256 = async (text: string): Promise<string> =>
  hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<ArrayBuffer> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return await crypto.subtle.sign('HMAC', imported, new TextEncoder().encode(text))
}
