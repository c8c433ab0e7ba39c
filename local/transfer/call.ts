import { setTimeout as wait } from 'node:timers/promises'
import { z } from 'zod'
import { LocalError } from '../local-error.ts'

export interface Deployment {
  readonly url: string
  readonly apiKey: string
}

const problem = z.object({ detail: z.string() })
const timeoutMs = 60_000
const maxPauseMs = 30_000

/**
 * Calls a deployment and returns the text of its answer. Repeats the call for as long as the deployment is busy or cannot be reached; throws
 * what it says of a call that cannot succeed. `warn` is called with the reason of each repeat.
 */
export async function callDeployment(
  { url, apiKey }: Deployment,
  path: string,
  { body, warn }: { readonly body?: string; readonly warn: (text: string) => void },
): Promise<string> {
  for (let pauseMs = 500; ; pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
    let waitMs = pauseMs
    try {
      const answer = await fetch(new URL(path, url), {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${apiKey}`,
          ...(body === undefined ? {} : { 'content-type': 'application/x-ndjson' }),
        },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(timeoutMs),
      })
      const text = await answer.text()
      if (answer.ok) return text
      const detail = problem.safeParse(asJson(text)).data?.detail ?? text.slice(0, 500)
      if (answer.status < 500 && answer.status !== 429) throw new LocalError(`${answer.status}: ${detail}`)
      waitMs = Math.max(pauseMs, Number(answer.headers.get('retry-after') ?? 0) * 1000)
      warn(`${answer.status}: ${detail}`)
    } catch (thrown) {
      if (thrown instanceof LocalError) throw thrown
      warn(thrown instanceof Error ? thrown.message : String(thrown))
    }
    await wait(waitMs)
  }
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
