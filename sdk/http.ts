import { httpFailure, ParleyError } from './failure.ts'
import type { Tokens } from './tokens.ts'

/** Where requests go, on whose behalf, and by which fetch. */
export interface HttpOptions {
  readonly url: string
  readonly tokens: Tokens
  readonly fetch: typeof fetch
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** JSON over HTTP with the user's token; a refused token is renewed and the request repeated once. */
export class Http {
  readonly #url: string
  readonly #tokens: Tokens
  readonly #fetch: typeof fetch

  constructor({ url, tokens, fetch }: HttpOptions) {
    this.#url = url
    this.#tokens = tokens
    this.#fetch = fetch
  }

  /** The answer's JSON, undefined when it has no body. Throws ParleyError. */
  async request(method: Method, path: string, body?: unknown): Promise<unknown> {
    const first = await this.#attempt(method, path, body, await this.#tokens.current())
    const response = first.status === 401 ? await this.#again(method, path, body) : first
    const answer = await readJson(response)
    if (!response.ok) throw httpFailure(response.status, answer, response.headers.get('retry-after'))
    return answer
  }

  async #again(method: Method, path: string, body: unknown): Promise<Response> {
    return this.#attempt(method, path, body, await this.#tokens.renew())
  }

  async #attempt(method: Method, path: string, body: unknown, token: string): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${token}` }
    if (body !== undefined) headers['content-type'] = 'application/json'
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    try {
      return await this.#fetch(this.#url + path, init)
    } catch {
      throw new ParleyError('unreachable', 'the server cannot be reached')
    }
  }
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json()
  } catch {
    return undefined
  }
}
