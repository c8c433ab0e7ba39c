import {
  Centrifuge,
  type Options,
  type PublicationContext,
  type Subscription,
  type SubscriptionState,
} from 'centrifuge'
import { z } from 'zod'
import { within } from '../../../src/kernel/retry.ts'
import type { System } from './system.ts'
import { until } from './until.ts'

export const apiKey = 'demo-key'

const tokenWithinMs = 30_000

/** What a send is answered with. */
export const sent = z.object({
  id: z.string(),
  seq: z.number(),
  epoch: z.string(),
  at: z.number(),
  duplicate: z.boolean(),
})
export type Sent = z.output<typeof sent>

/** One publication as the SDK hands it out, parsed. */
export interface Heard {
  readonly seq: number
  readonly user: string
  readonly clientId: string | null
  readonly text: string
  readonly data: unknown
}

const conversationView = z.object({ id: z.string(), epoch: z.string(), last: z.number() })
const message = z.object({ clientId: z.string().optional(), text: z.string().optional() })

/** Calls HTTP as a user; returns status and parsed body. */
export async function call(
  { url }: Pick<System, 'url'>,
  credential: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(url + path, {
    method,
    headers: { Authorization: `Bearer ${credential}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
}

/** Makes a group of these people; returns its id. */
export async function makeGroup(system: System, members: readonly string[], key = apiKey): Promise<string> {
  const { body } = await call(system, key, 'POST', '/v1/conversations', { type: 'group', members })
  return conversationView.parse(body).id
}

/** A user with the unmodified SDK. */
export class Person {
  readonly name: string
  readonly client: Centrifuge
  readonly #system: Pick<System, 'url' | 'socketUrl'>
  readonly #key: string

  constructor(system: Pick<System, 'url' | 'socketUrl'>, name: string, options: PersonOptions = {}) {
    const { key = apiKey, socketUrl = system.socketUrl, ttlSeconds = 3600, ...sdk } = options
    this.name = name
    this.#system = system
    this.#key = key
    this.client = new Centrifuge(socketUrl, {
      getToken: () => this.token(ttlSeconds),
      minReconnectDelay: 50,
      maxReconnectDelay: 500,
      // As patient as a loaded machine asks for: what must fail soon says so itself.
      timeout: 20_000,
      ...sdk,
    })
  }

  /** A token as the app's own server would hand out. */
  async token(ttlSeconds = 3600): Promise<string> {
    // Without an end of its own, a request whose answer never comes would keep the client from trying again for minutes.
    const wanted = { user: this.name, ttlSeconds }
    const { status, body } = await within(
      tokenWithinMs,
      'POST /v1/tokens',
      call(this.#system, this.#key, 'POST', '/v1/tokens', wanted),
    )
    if (status !== 200) throw new Error(`POST /v1/tokens answers ${status}`)
    return z.object({ token: z.string() }).parse(body).token
  }

  async connect(): Promise<this> {
    this.client.connect()
    await this.client.ready(60_000)
    return this
  }

  /** Listens to a conversation from now on. */
  listen(conversation: string): Listener {
    return new Listener(this.name, this.client.newSubscription(`conversation:${conversation}`))
  }

  /** One send, once; rejects as the SDK does. */
  async send(conversation: string, clientId: string, text: string): Promise<Sent> {
    const { data }: { data: unknown } = await this.client.rpc('message.send', { conversation, clientId, text })
    return sent.parse(data)
  }

  async rpc(method: string, data: unknown): Promise<unknown> {
    return (await this.client.rpc(method, data)).data
  }

  leave(): void {
    this.client.disconnect()
  }
}

type PersonOptions = Partial<Options> & { key?: string; socketUrl?: string; ttlSeconds?: number }

/** One subscription and everything that came through it, in order. */
export class Listener {
  readonly name: string
  readonly subscription: Subscription
  readonly heard: Heard[] = []
  /** Each time it was (again) subscribed: whether everything missed came along, and the place told. */
  readonly joins: { readonly recovered: boolean; readonly wasRecovering: boolean; readonly offset: number }[] = []
  readonly states: SubscriptionState[] = []

  constructor(name: string, subscription: Subscription) {
    this.name = name
    this.subscription = subscription
    subscription.on('publication', (context) => this.heard.push(toHeard(context)))
    subscription.on('subscribed', ({ recovered, wasRecovering, streamPosition }) =>
      this.joins.push({ recovered, wasRecovering, offset: streamPosition?.offset ?? -1 }),
    )
    subscription.on('state', ({ newState }) => this.states.push(newState))
    subscription.subscribe()
  }

  async ready(): Promise<this> {
    await this.subscription.ready(60_000)
    return this
  }

  /** Waits until seq `seq` was heard. */
  async reach(seq: number, ms = 60_000): Promise<void> {
    await until(`${this.name} hears ${seq}`, () => (this.heard.at(-1)?.seq ?? 0) >= seq, ms)
  }

  get seqs(): number[] {
    return this.heard.filter(({ seq }) => seq > 0).map(({ seq }) => seq)
  }
}

/** A publication as our tests speak of it. */
export function toHeard({ offset, data, info }: Pick<PublicationContext, 'offset' | 'data' | 'info'>): Heard {
  const { clientId = null, text = '' } = message.parse(data)
  return { seq: offset ?? 0, user: info?.user ?? '', clientId, text, data }
}
