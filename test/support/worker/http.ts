import { exports } from 'cloudflare:workers'

export interface Call {
  /** API key or user token. */
  readonly as?: string
  readonly body?: unknown
  /** The body as it is, for those that are no JSON. */
  readonly raw?: string | Uint8Array<ArrayBuffer>
  readonly headers?: Readonly<Record<string, string>>
}

/** What answers look like; which fields are there is what tests are about. */
export interface Body {
  readonly [field: string]: unknown
  readonly id: string
  readonly type: string
  readonly seq: number
  readonly epoch: string
  readonly last: number
  readonly detail: string
  readonly token: string
  readonly apiKey: string
  readonly next: string | null
  readonly before: number | null
  readonly after: number | null
  readonly conversations: readonly { readonly id: string; readonly unread: number; readonly last: number }[]
  readonly messages: readonly { readonly seq: number; readonly type: string; readonly text?: string }[]
  readonly members: readonly { readonly user: string; readonly role: string }[]
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: Body
}

/** Calls the Worker over HTTP: `call('POST /v1/conversations', { as: key, body })`. */
export async function call(line: string, { as, body, raw, headers = {} }: Call = {}): Promise<Answer> {
  const [method = 'GET', path = '/'] = line.split(' ')
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body))
  const response = await exports.default.fetch(`http://parley${path}`, {
    method,
    headers: { ...headers, ...(as === undefined ? {} : { authorization: `Bearer ${as}` }) },
    ...(payload === undefined ? {} : { body: payload }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: asJson(text) }
}

function asJson(text: string): Body {
  try {
    return JSON.parse(text)
  } catch {
    return JSON.parse('{}')
  }
}
