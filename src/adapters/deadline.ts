/**
 * Aborts a request to an outside service after a while. Its timer ends with the request: that of `AbortSignal.timeout`
 * cannot be cleared, and a timer that is still set keeps an actor in memory, which is billed.
 */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #timer: ReturnType<typeof setTimeout>

  constructor(ms: number) {
    const late = () => this.#controller.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError'))
    this.#timer = setTimeout(late, ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

/** What `work` gives, unless the signal ends first: for clients that take no signal. The work itself goes on. */
export async function endedBy<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const ended = Promise.withResolvers<never>()
  const end = () => ended.reject(signal.reason)
  signal.addEventListener('abort', end)
  try {
    signal.throwIfAborted()
    return await Promise.race([work, ended.promise])
  } finally {
    signal.removeEventListener('abort', end)
  }
}
