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
  return textIn(new Uint8Array(await answer.arrayBuffer()))
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

const decoder = new TextDecoder()
const [carriageReturn, lineFeed] = [13, 10]

/** The text of a bulk string; undefined for the null of a key that does not exist. Throws where it is neither, or was cut. */
function textIn(reply: Uint8Array): string | undefined {
  const end = reply.indexOf(carriageReturn)
  const head = decoder.decode(reply.subarray(0, Math.max(0, end)))
  if (head === '$-1') return undefined
  const length = /^\$\d+$/.test(head) ? Number(head.slice(1)) : NaN
  const from = end + 2
  const isWhole =
    reply.length === from + length + 2 && reply[end + 1] === lineFeed && reply[from + length] === carriageReturn
  if (!isWhole) throw new Error('Redis answered no string')
  return decoder.decode(reply.subarray(from, from + length))
}
