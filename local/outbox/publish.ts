import { z } from 'zod'
import type { Published } from './relay.ts'

const problem = z.object({ detail: z.string() })
/** While the deployment cannot be reached or does not accept the caller. */
const waitMs = 2000
const timeoutMs = 30_000

/** Publishes a JSON array of events to a topic of a deployment. Never rejects; `warn` is called with what is wrong. */
export async function publishTo(
  { url, apiKey, warn }: { readonly url: string; readonly apiKey: string; readonly warn: (text: string) => void },
  topic: string,
  events: string,
): Promise<Published> {
  try {
    const answer = await fetch(new URL(`/v1/events?topic=${encodeURIComponent(topic)}`, url), {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: events,
      signal: AbortSignal.timeout(timeoutMs),
    })
    const text = await answer.text()
    if (answer.ok) return { kind: 'published' }
    const detail = problem.safeParse(asJson(text)).data?.detail ?? text.slice(0, 500)
    if ([400, 409, 413].includes(answer.status)) return { kind: 'refused', detail }
    warn(`${answer.status}: ${detail}`)
    return { kind: 'later', waitMs: Math.max(waitMs, Number(answer.headers.get('retry-after') ?? 0) * 1000) }
  } catch (thrown) {
    warn(thrown instanceof Error ? thrown.message : String(thrown))
    return { kind: 'later', waitMs }
  }
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
