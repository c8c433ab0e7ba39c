import { httpFailure, ParleyError } from './failure.ts'
import { MessageWriter, type StreamOptions } from './message-writer.ts'
import { fields, items, text, texts } from './parse.ts'
import type { SagaDefinition } from './sagas.ts'

/** Where Parley is, and the API key of your tenant. */
export interface ServerOptions {
  readonly url: string
  readonly apiKey: string
  readonly fetch?: typeof fetch
  /** Of one request; 10 s by default. */
  readonly timeoutMs?: number
}

/** An event to publish. With the same `source` and `id` it is the same event, however often it is published. */
export interface NewEvent {
  readonly source: string
  readonly id: string
  readonly type: string
  /** Events of one key keep their order. */
  readonly key?: string
  readonly version?: number
  readonly data?: unknown
  /** RFC 3339. */
  readonly time?: string
  readonly subject?: string
}

/** A run of a saga to start. The same `id` again is the same run. */
export interface NewRun {
  readonly id: string
  readonly input: unknown
  /** Users that may follow the run in the channel `saga:<id>`. */
  readonly watchers?: readonly string[]
}

/** The API for your servers and Workers. Every method throws ParleyError; those named here may be repeated. */
export class ParleyServer {
  readonly #url: string
  readonly #apiKey: string
  readonly #fetch: typeof fetch
  readonly #timeoutMs: number

  constructor({ url, apiKey, fetch: ownFetch, timeoutMs = 10_000 }: ServerOptions) {
    this.#url = url.replace(/\/+$/, '')
    this.#apiKey = apiKey
    // Workers refuse a fetch that is called as the method of another object.
    this.#fetch = ownFetch ?? ((...call) => fetch(...call))
    this.#timeoutMs = timeoutMs
  }

  /** Publishes events in their order, all or none of them; at most 1,000. */
  async publish(topic: string, events: readonly NewEvent[]): Promise<void> {
    await this.request('POST', `/v1/events?topic=${encodeURIComponent(topic)}`, events)
  }

  async startRun(saga: string, run: NewRun): Promise<void> {
    await this.request('POST', `/v1/sagas/${encodeURIComponent(saga)}/runs`, run)
  }

  /** Turns a run back. Refused when it is behind its pivot. What has not begun is not compensated. */
  async cancelRun(id: string, reason: string): Promise<void> {
    await this.request('POST', `/v1/saga-runs/${encodeURIComponent(id)}/cancel`, { reason })
  }

  /** Registers a definition; returns what is permitted in it and may not be meant. */
  async defineSaga(name: string, definition: SagaDefinition): Promise<readonly string[]> {
    const answer = await this.request('PUT', `/v1/sagas/${encodeURIComponent(name)}`, definition)
    return texts(fields(answer)['warnings'])
  }

  /** The secrets that sign calls of sagas. */
  async sagaSecrets(): Promise<readonly string[]> {
    return texts(fields(await this.request('GET', '/v1/saga-secrets'))['secrets'])
  }

  /** The secrets that sign events of a consumer. */
  async consumerSecrets(consumer: string): Promise<readonly string[]> {
    const answer = await this.request('GET', `/v1/consumers/${encodeURIComponent(consumer)}/secret`)
    return texts(fields(answer)['secrets'])
  }

  /** A token with which one of your users connects. */
  async token(user: string): Promise<string> {
    return text(fields(await this.request('POST', '/v1/tokens', { user }))['token'])
  }

  /** Writes a message that shows while it grows: `write` and `complete` it, or `pipe` what a model writes into it. */
  streamMessage(conversation: string, options?: StreamOptions): MessageWriter {
    return new MessageWriter(conversation, (path, body) => this.request('POST', path, body), options)
  }

  /** All events of a topic that are kept, of one page: see `after` of `GET /v1/events`. */
  async events(topic: string, after: number): Promise<readonly unknown[]> {
    const query = `topic=${encodeURIComponent(topic)}&after=${after}&limit=500`
    return items(fields(await this.request('GET', `/v1/events?${query}`))['events'])
  }

  /** Any other operation of the API; returns the answer's JSON, undefined when it has none. */
  async request(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    const response = await this.#send(method, path, body)
    const answer = await jsonOf(response)
    if (!response.ok) throw httpFailure(response.status, answer, response.headers.get('retry-after'))
    return answer
  }

  async #send(method: string, path: string, body: unknown): Promise<Response> {
    try {
      return await this.#fetch(this.#url + path, {
        method,
        headers: { authorization: `Bearer ${this.#apiKey}`, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(this.#timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    } catch {
      throw new ParleyError('unreachable', 'the server cannot be reached')
    }
  }
}

async function jsonOf(response: Response): Promise<unknown> {
  try {
    return await response.json()
  } catch {
    return undefined
  }
}
