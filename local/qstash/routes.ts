import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import type { Clock } from './clock.ts'
import { canonical } from './header.ts'
import { type Answer, BadRequest, type Call, HttpError } from './http.ts'
import { type Message, type Publication, readMessage } from './message.ts'
import type { DeadLetter, Store } from './store.ts'

const PUBLISH = '/v2/publish/'
/** A message published with the same id within this time of the first is not sent again. */
const DEDUPLICATION_WINDOW_MS = 10 * 60_000
const MAX_PAGE = 100

export interface Api {
  readonly store: Store
  readonly clock: Clock
  readonly allowDestination: (url: string) => boolean
  /** The signing keys, as receivers read them. */
  readonly keys: { readonly current: string; readonly next: string }
  /** Called after messages were published or cancelled. */
  readonly wake: () => void
}

/** The endpoints: publish, batch, one message, dead letters, signing keys. */
export function route(api: Api, call: Call): Answer {
  const { method, path } = call
  if (method === 'POST' && path.length > PUBLISH.length && path.startsWith(PUBLISH)) return publish(api, call)
  if (method === 'POST' && path === '/v2/batch') return batch(api, call)
  if (method === 'GET' && path === '/v2/dlq') return listDeadLetters(api, call)
  if (method === 'DELETE' && path === '/v2/dlq') return deleteDeadLetters(api, call)
  if (method === 'GET' && path === '/v2/keys') return { status: 200, body: api.keys }
  const [, id] = /^\/v2\/messages\/(\w[\w-]*)$/.exec(path) ?? []
  if (method === 'GET' && id !== undefined) return { status: 200, body: getMessage(api, id) }
  if (method === 'DELETE' && id !== undefined) return cancel(api, id)
  throw new HttpError(404, `${method} ${path}: not part of the local stand-in for QStash`)
}

/** Everything after the prefix is the destination, including its query string. */
function publish(api: Api, call: Call): Answer {
  const receipt = api.store.atomically(() => accept(api, { ...call, destination: call.target.slice(PUBLISH.length) }))
  api.wake()
  return { status: 'deduplicated' in receipt ? 202 : 200, body: receipt }
}

const batchItems = z.array(
  z.strictObject({
    destination: z.string(),
    headers: z.record(z.string(), z.string()).default({}),
    body: z.string().nullish(),
  }),
)

/** Accepts all messages of a batch or none. */
function batch(api: Api, { body, callerIp }: Call): Answer {
  const items = batchItems.safeParse(parseJson(body))
  if (!items.success) throw new BadRequest(`invalid body: ${z.prettifyError(items.error)}`)
  const receipts = api.store.atomically(() =>
    items.data.map(({ destination, headers, body }) => {
      const header = canonical(Object.entries(headers).map(([name, value]) => [name, [value]]))
      return accept(api, { destination, header, body: Buffer.from(body ?? ''), callerIp })
    }),
  )
  api.wake()
  return { status: 200, body: receipts }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    throw new BadRequest('invalid body: not JSON')
  }
}

type Receipt = { readonly messageId: string; readonly deduplicated?: true }

function accept(api: Api, publication: Publication): Receipt {
  const { store, clock } = api
  const message = readMessage(publication, clock)
  for (const url of [message.url, message.details.failureCallback ?? message.url]) checkUrl(api, url)

  const id = publication.header['Upstash-Deduplication-Id']?.[0]
  // The form of the key is that of earlier files.
  const key = id === undefined ? undefined : `id:${id} `
  const earlier = key === undefined ? undefined : store.published(key, clock.now())
  if (earlier !== undefined) return { messageId: earlier, deduplicated: true }
  store.addMessage(message)
  if (key !== undefined) store.rememberPublished(key, message.id, clock.after(DEDUPLICATION_WINDOW_MS))
  return { messageId: message.id }
}

function checkUrl({ allowDestination }: Api, url: string): void {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url))
    throw new BadRequest(`destination: must be a URL with http:// or https://, got ${url}`)
  if (!allowDestination(url)) throw new BadRequest(`destination: ${url} is not allowed here`)
}

function getMessage({ store }: Api, id: string): object {
  const message = store.message(id)
  if (message === undefined) throw new HttpError(404, `message ${id} not found`)
  return messageView(id, message)
}

function cancel({ store, wake }: Api, id: string): Answer {
  if (!store.removeMessage(id)) throw new HttpError(404, `message ${id} not found`)
  wake()
  return { status: 202, body: { cancelled: 1 } }
}

/** A page, newest first, of all dead letters or those with one of the labels. */
function listDeadLetters({ store }: Api, { query }: Call): Answer {
  const count = Math.min(MAX_PAGE, Number(query.get('count')) || MAX_PAGE)
  const labels = query.getAll('label')
  const messages: object[] = []
  let last: number | undefined
  for (const letter of store.deadLettersBefore(Number(query.get('cursor') || Number.MAX_SAFE_INTEGER))) {
    if (labels.length > 0 && !letter.details.labels.some((label) => labels.includes(label))) continue
    // The cursor is the place of the last letter of the page, so that deleting letters skips none.
    if (messages.length === count) return { status: 200, body: { messages, cursor: String(last) } }
    messages.push(deadLetterView(letter))
    last = letter.seq
  }
  return { status: 200, body: { messages } }
}

function deleteDeadLetters({ store }: Api, { query }: Call): Answer {
  const ids = query.getAll('dlqIds').flatMap((ids) => ids.split(','))
  if (ids.length === 0) throw new BadRequest('dlqIds: required by the local stand-in for QStash')
  const deleted = store.atomically(() => ids.filter((id) => store.removeDeadLetter(id)).length)
  return { status: 200, body: { deleted } }
}

function messageView(messageId: string, { url, details, body }: Pick<Message, 'url' | 'details' | 'body'>): object {
  const { labels, callerIp, retryDelay, ...shown } = details
  return {
    ...shown,
    ...bytesView('body', body),
    messageId,
    url,
    callerIP: callerIp,
    callerIp,
    retryDelayExpression: retryDelay,
    label: labels[0],
    labels: labels.length > 0 ? labels : undefined,
  }
}

function deadLetterView(letter: DeadLetter): object {
  return {
    ...messageView(letter.message_id, letter),
    ...bytesView('responseBody', letter.response_body),
    dlqId: letter.id,
    responseStatus: letter.status ?? undefined,
    responseHeader: letter.response_header,
  }
}

/** Bytes under `name` when they are UTF-8, under `<name>Base64` when not. */
function bytesView(name: string, bytes: Uint8Array): object {
  const buffer = Buffer.from(bytes)
  return isUtf8(buffer) ? { [name]: buffer.toString() } : { [`${name}Base64`]: buffer.toString('base64') }
}
