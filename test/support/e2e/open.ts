import { SignJWT } from 'jose'
import type { Centrifuge, Options, Subscription } from 'centrifuge'
import { System } from './system.ts'
import { clientBy, fromData, toData, type Way } from './ways.ts'

/** The open development server, and its clients. */
export class OpenServer {
  readonly system: System
  readonly #clients: Centrifuge[] = []

  private constructor(system: System) {
    this.system = system
  }

  static async start(): Promise<OpenServer> {
    return new OpenServer(await System.start({ env: { PARLEY_PROFILE: 'open' } }))
  }

  /** A client that has not connected yet. */
  client(way: Way, options: Partial<Options> = {}): Centrifuge {
    const client = clientBy(way, this.system.url, { minReconnectDelay: 20, maxReconnectDelay: 100, ...options })
    this.#clients.push(client)
    return client
  }

  /** A client that is connected without a user id. */
  async guest(way: Way, options: Partial<Options> = {}): Promise<Centrifuge> {
    const client = this.client(way, options)
    client.connect()
    await client.ready(60_000)
    return client
  }

  /** Calls the server API as an app's own server does. */
  async api(method: string, params: object): Promise<unknown> {
    const response = await fetch(`${this.system.url}/api/${method}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-API-Key': 'test-api-key' },
      body: JSON.stringify(params),
    })
    return await response.json()
  }

  /** Ends every connection. */
  sendHome(): void {
    for (const client of this.#clients.splice(0)) client.disconnect()
  }

  stop(): void {
    this.sendHome()
    this.system.abandon()
  }
}

/** A token as any client can make one for the open profile. */
export const openToken = (claims: Readonly<Record<string, unknown>>): Promise<string> =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode('secret'))

let named = 0
/** A channel that was never used before. */
export const newChannel = (namespace = ''): string =>
  `${namespace === '' ? '' : `${namespace}:`}test-${Date.now()}-${++named}`

/** What a subscription heard, in order. */
export function record(subscription: Subscription): unknown[] {
  const heard: unknown[] = []
  subscription.on('publication', ({ data }) => heard.push(fromData(data)))
  return heard
}

/** Publishes these, one after the other. */
export async function say(client: Centrifuge, way: Way, channel: string, ...all: readonly unknown[]): Promise<void> {
  for (const data of all) await client.publish(channel, toData(way, data))
}
