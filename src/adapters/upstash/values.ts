import { z } from 'zod'

/** Where a database is reached over REST, and its token. */
interface Database {
  readonly url: string
  readonly token: string
}

/**
 * Reads and writes of one text over Upstash's REST interface. The SDK puts texts into JSON, where a page of history, which is
 * JSON itself, is escaped and read again character by character by both sides. Here a text goes as the body of the request, and
 * comes as Redis' own protocol has it (`Upstash-Response-Format: resp2`).
 */
export async function getValue(database: Database, key: string, signal: AbortSignal): Promise<string | undefined> {
  const answer = await ask(database, '', { body: JSON.stringify(['GET', key]), type: 'application/json' }, signal)
  // A proxy that does not know the format answers as it does otherwise.
  if (answer.headers.get('content-type')?.startsWith('application/json') === true)
    return inJson.safeParse(await answer.json()).data?.result ?? undefined
  return textIn(await answer.text())
}

/** Keeps a text, which is not empty, for `seconds`. */
export async function setValue(
  database: Database,
  key: string,
  { text, seconds }: { readonly text: string; readonly seconds: number },
  signal: AbortSignal,
): Promise<void> {
  const path = `/set/${encodeURIComponent(key)}?EX=${seconds}`
  const answer = await ask(database, path, { body: text, type: 'text/plain' }, signal)
  await answer.arrayBuffer()
}

const inJson = z.object({ result: z.string().nullable() })

async function ask(
  { url, token }: Database,
  path: string,
  { body, type }: { readonly body: string; readonly type: string },
  signal: AbortSignal,
): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'upstash-response-format': 'resp2', 'content-type': type }
  const answer = await fetch(url.replace(/\/$/, '') + path, { method: 'POST', headers, body, signal })
  if (answer.ok) return answer
  throw new Error(`Redis answered ${answer.status}: ${(await answer.text()).slice(0, 200)}`)
}

const encoder = new TextEncoder()

/** The text of a bulk string; undefined for the null of a key that does not exist. Throws where it is neither, or was cut. */
function textIn(reply: string): string | undefined {
  if (reply === '$-1\r\n') return undefined
  const end = reply.indexOf('\r\n')
  const head = reply.slice(0, Math.max(0, end))
  const text = reply.slice(end + 2, -2)
  const isString = /^\$\d+$/.test(head) && reply.length >= end + 4 && reply.endsWith('\r\n')
  if (!isString || !hasBytes(text, Number(head.slice(1)))) throw new Error('Redis answered no string')
  return text
}

/** Whether a text is so many bytes in UTF-8; nearly always each of its characters is one. */
const hasBytes = (text: string, bytes: number): boolean =>
  bytes === text.length || (bytes <= 3 * text.length && encoder.encode(text).length === bytes)
