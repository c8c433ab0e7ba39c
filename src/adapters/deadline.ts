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
