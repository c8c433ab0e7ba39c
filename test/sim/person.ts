import type { History } from '../support/history.ts'
import { Device } from './device.ts'
import { tenant } from './neighbours.ts'
import type { Platform } from './platform.ts'
import { toEntry, type Pub, type Subscribed } from './wire.ts'

const refusedFor = new Set([111])

interface Around {
  readonly world: Platform
  readonly history: History
  readonly token: (user: string, expiresAt: number) => string
}

/** A user in conversations that sends again what was not acknowledged. */
export class Person {
  readonly user: string
  /** The newest the inbox said of each conversation. */
  readonly inbox = new Map<string, string>()
  readonly #world: Platform
  readonly #history: History
  readonly #device: Device
  #said = 0
  /** Messages on their way or to be said again. */
  unsettled = 0

  constructor({ world, history, token }: Around, user: string, gateway: string, conversations: readonly string[]) {
    this.#world = world
    this.#history = history
    this.user = user
    const channels = conversations.map((id) => `conversation:${id}`)
    const told = {
      joined: (channel: string, result: Subscribed) => this.#joined(channel, result),
      heard: (channel: string, publication: Pub) => this.#heard(channel, publication),
    }
    this.#device = new Device({ world, user, gateway, channels, token, told })
  }

  get arrivals(): number {
    return this.#device.arrivals
  }

  get trouble(): readonly string[] {
    return this.#device.trouble
  }

  get isListening(): boolean {
    return this.#device.isListening
  }

  come(): void {
    this.#device.come()
  }

  cut(): void {
    this.#device.cut()
  }

  /** Says one thing until it is acknowledged. */
  say(conversation: string): void {
    const clientId = `${this.user}-${++this.#said}`
    this.unsettled++
    this.#insist(conversation, clientId, `${this.user} says ${clientId} in ${conversation}`)
  }

  /** Asks for something whose answer does not matter, now or never. */
  mention(method: string, data: object): void {
    if (this.#device.isOpen) this.#device.ask({ rpc: { method, data } }, () => undefined)
  }

  /** The place of a conversation's stream. */
  heardUpTo(conversation: string): number {
    return this.#device.places.get(`conversation:${conversation}`)?.offset ?? 0
  }

  #insist(conversation: string, clientId: string, text: string): void {
    const again = () =>
      this.#world.after(this.#world.chance.between(50, 400), () => this.#insist(conversation, clientId, text))
    if (!this.#device.isOpen) return again()
    const key = { tenant, conversation, user: this.user, clientId }
    const pending = this.#history.invoke(this.user, key, text)
    this.#device.ask({ rpc: { method: 'message.send', data: { conversation, clientId, text } } }, (reply) => {
      const seq = reply?.rpc?.data.seq
      if (seq === undefined) {
        if (reply?.error !== undefined && refusedFor.has(reply.error.code)) pending.fail()
        else pending.unknown()
        return again()
      }
      pending.ok(seq)
      this.unsettled--
    })
  }

  #joined(channel: string, { recovered, offset }: Subscribed): void {
    if (!recovered && channel.startsWith('conversation:'))
      this.#history.joined(this.user, tenant, channel.slice('conversation:'.length), offset)
  }

  #heard(channel: string, publication: Pub): void {
    const { offset, data } = publication
    if (offset === 0) return
    if (channel.startsWith('conversation:')) this.#history.hear(this.user, toEntry(channel, publication))
    else this.inbox.set(String(data['conversation']), JSON.stringify([data['last'], data['read'], data['unread']]))
  }
}
