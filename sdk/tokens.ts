import { UnauthorizedError } from 'centrifuge'
import { ParleyError } from './failure.ts'

/** Where tokens come from: one that is given, or a function that fetches one whenever the last has expired. */
export type TokenOptions = { readonly token: string } | { readonly getToken: () => Promise<string> }

/** Keeps the newest token for both the socket and HTTP; callers during a fetch share it. */
export class Tokens {
  readonly #fetch: () => Promise<string>
  #newest: Promise<string> | undefined
  #socketHasOne = false

  constructor(options: TokenOptions) {
    const given = 'token' in options ? options : undefined
    this.#fetch = 'getToken' in options ? options.getToken : () => Promise.reject(expired())
    if (given !== undefined) this.#newest = Promise.resolve(given.token)
  }

  /** The newest token, fetched when there is none yet. */
  current(): Promise<string> {
    return this.#newest ?? this.renew()
  }

  /** Fetches a new one. A failure is not kept: the next who asks tries again. */
  renew(): Promise<string> {
    const fetched = this.#fetch()
    this.#newest = fetched
    fetched.catch(() => {
      if (this.#newest === fetched) this.#newest = undefined
    })
    return fetched
  }

  /**
   * As the realtime client wants it, which asks when it has none and whenever the one it has is no longer good: a refusal is
   * final, anything else is tried again.
   */
  async forSocket(): Promise<string> {
    try {
      const token = await (this.#socketHasOne ? this.renew() : this.current())
      this.#socketHasOne = true
      return token
    } catch (thrown) {
      if (thrown instanceof ParleyError && !thrown.temporary) throw new UnauthorizedError(thrown.message)
      throw thrown
    }
  }
}

const expired = () => new ParleyError('unauthorized', 'the token has expired: give getToken to renew it by itself')
