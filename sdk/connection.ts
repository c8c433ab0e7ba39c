import { Centrifuge } from 'centrifuge'
import { closes } from '../src/protocol/close-codes.ts'
import { sizes } from '../src/protocol/limits.ts'
import { ParleyError, wireFailure } from './failure.ts'
import { Listeners } from './listeners.ts'
import { count, fields, text } from './parse.ts'
import type { Tokens } from './tokens.ts'

/** The user and client id of this connection, as the server reported them on connect. */
export interface Session {
  readonly user: string
  readonly tenant: string
  /** Longest message text in bytes of UTF-8. */
  readonly textBytes: number
}

/** Where the connection stands. All but `stopped` mend themselves. */
export type ConnectionState =
  | { readonly kind: 'idle' }
  /** For the first time. */
  | { readonly kind: 'connecting' }
  | { readonly kind: 'online'; readonly session: Session }
  /** It was lost, and is being made again. */
  | { readonly kind: 'offline' }
  /** The server refuses the connection: `reason` says why. */
  | { readonly kind: 'stopped'; readonly code: number; readonly reason: string }

/** How to reach the server. `websocket` is for runtimes that have none of their own. */
export interface ConnectionOptions {
  readonly url: string
  readonly tokens: Tokens
  readonly websocket?: unknown
}

/** The one socket, with its state in words. */
export class Connection {
  readonly changes = new Listeners<ConnectionState>()
  readonly client: Centrifuge
  #state: ConnectionState = { kind: 'idle' }
  /** A refused token may be renewed once for every time a connection stood: a refused new one is final. */
  #mayRenew = false

  constructor({ url, tokens, websocket }: ConnectionOptions) {
    this.client = new Centrifuge(endpoint(url), {
      name: 'parley-js',
      getToken: () => tokens.forSocket(),
      minReconnectDelay: 300,
      maxReconnectDelay: 8000,
      ...(websocket === undefined ? {} : { websocket }),
    })
    this.#follow()
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Connects, and stays connected until `close`. */
  open(): void {
    this.client.connect()
  }

  /** Ends the connection for good. */
  close(): void {
    this.client.disconnect()
  }

  /** Does not wait for the next attempt. */
  reconnectNow(): void {
    if (this.#state.kind === 'online') return
    if (this.#state.kind === 'stopped') this.client.setToken('')
    this.client.disconnect()
    this.client.connect()
  }

  /** Resolves when there is a connection, at once when there is one. */
  online(): Promise<void> {
    if (this.#state.kind === 'online') return Promise.resolve()
    return new Promise((resolve) => {
      const stop = this.changes.listen(({ kind }) => {
        if (kind !== 'online') return
        stop()
        resolve()
      })
    })
  }

  /** Asks the server to do something. Throws ParleyError, at once when there is no connection or the payload fits no frame. */
  async rpc(method: string, payload: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (!fitsFrame(payload)) throw new ParleyError('tooLarge', 'more than one frame carries', { code: 413 })
    if (this.#state.kind !== 'online') throw new ParleyError('unreachable', 'not connected')
    try {
      const result = await this.client.rpc(method, payload)
      return result.data
    } catch (thrown) {
      throw wireFailure(thrown)
    }
  }

  /** Says something that needs no answer; lost when there is no connection. */
  signal(payload: Readonly<Record<string, unknown>>): void {
    if (this.#state.kind === 'online') this.client.send(payload).catch(() => {})
  }

  #follow(): void {
    this.client.on('connecting', () => this.#move({ kind: this.#wasOnline() ? 'offline' : 'connecting' }))
    this.client.on('connected', ({ data }) => {
      this.#mayRenew = true
      this.#move({ kind: 'online', session: readSession(data) })
    })
    this.client.on('disconnected', ({ code, reason }) => this.#lost(code, reason))
  }

  #lost(code: number, reason: string): void {
    if (code === closes.invalidToken.code && this.#mayRenew) {
      this.#mayRenew = false
      this.client.setToken('')
      this.client.connect()
    } else {
      this.#move(code === 0 ? { kind: 'idle' } : { kind: 'stopped', code, reason })
    }
  }

  #wasOnline(): boolean {
    return this.#state.kind === 'online' || this.#state.kind === 'offline'
  }

  #move(state: ConnectionState): void {
    this.#state = state
    this.changes.tell(state)
  }
}

/** Bytes of a frame that are kept for what stands around the payload. */
const aroundPayload = 1024
const encoder = new TextEncoder()

/** A frame that is larger than the server takes would cost the connection, again with every repeat. */
const fitsFrame = (payload: unknown): boolean =>
  encoder.encode(JSON.stringify(payload)).byteLength <= sizes.frameBytes - aroundPayload

const endpoint = (url: string): string => `${url.replace(/^http/, 'ws')}/connection/websocket`

function readSession(data: unknown): Session {
  const session = fields(data)
  const limits = fields(session['limits'])
  return {
    user: text(session['user']),
    tenant: text(session['tenant']),
    textBytes: count(limits['textBytes'], sizes.textBytes),
  }
}
