/** As much of a browser's EventSource as the SDK uses; Node has none of its own. */
export class TinyEventSource {
  onopen: (() => void) | undefined
  onmessage: ((event: { readonly data: string }) => void) | undefined
  onerror: ((event: { readonly message: string }) => void) | undefined
  readonly #aborter = new AbortController()

  constructor(url: string) {
    this.#run(url).catch((thrown: unknown) => {
      if (!this.#aborter.signal.aborted) this.onerror?.({ message: String(thrown) })
    })
  }

  close(): void {
    this.#aborter.abort()
  }

  async #run(url: string): Promise<void> {
    const response = await fetch(url, { headers: { Accept: 'text/event-stream' }, signal: this.#aborter.signal })
    const type = response.headers.get('content-type')
    if (response.status !== 200 || response.body === null || type !== 'text/event-stream')
      throw new Error(`answered ${response.status} ${type}`)
    this.onopen?.()
    let text = ''
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) text = this.#tell(text + piece)
    throw new Error('the stream ended')
  }

  /** Hands out the events that are complete; gives what is left. */
  #tell(text: string): string {
    const events = text.split('\n\n')
    const rest = events.pop() ?? ''
    for (const event of events) this.onmessage?.({ data: event.replaceAll(/^data: /gm, '') })
    return rest
  }
}
