import { httpFailure, ParleyError } from '../sdk/index.ts'
import { tabStorage } from './ui/tab-storage.ts'

const key = 'parley.name'

/**
 * The user of this tab: `?as=alice`, or the one chosen before in this tab. It is kept per tab, so that several tabs can
 * be several users.
 */
export function rememberedName(): string | undefined {
  const given = new URLSearchParams(location.search).get('as')
  return given ?? tabStorage.get(key)
}

/** Keeps the name for this tab. */
export const rememberName = (name: string): void => tabStorage.set(key, name)

/** Forgets who this tab is, and starts anew. */
export function forgetName(): void {
  tabStorage.remove(key)
  location.assign(location.pathname)
}

/** Fetches a token for `user` from the local demonstration. Throws ParleyError. */
export async function demoToken(user: string): Promise<string> {
  const response = await askForToken(user)
  const answer: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw refusal(response.status, answer)
  if (typeof answer === 'object' && answer !== null && 'token' in answer && typeof answer.token === 'string')
    return answer.token
  throw new ParleyError('server', 'the answer holds no token')
}

async function askForToken(user: string): Promise<Response> {
  try {
    return await fetch('/demo/token', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user }),
    })
  } catch {
    throw new ParleyError('unreachable', 'the server cannot be reached')
  }
}

const refusal = (status: number, answer: unknown): ParleyError =>
  status === 404
    ? new ParleyError('notAvailable', 'this server gives no demonstration tokens', { code: status })
    : httpFailure(status, answer, null)
