import { z } from 'zod'
import type { History } from '../support/history.ts'
import { Device, type Place } from './device.ts'
import type { Platform } from './platform.ts'
import { toEntry, type Said, type TopicAddress } from './topic-truth.ts'
import type { Line, Pub, Subscribed } from './wire.ts'

/** A publication by a user: at most once, since only the gateway repeats it. */
export interface Published {
  readonly topic: TopicAddress
  readonly id: string
  readonly invokedAt: number
  outcome: 'ok' | 'refused' | 'unknown'
}

/** A client came back and was told that what it missed is gone. */
export interface ToldLost {
  readonly topic: TopicAddress
  readonly listener: string
  readonly since: Place
  readonly epoch: string
  readonly at: number
}

export interface ListenerParts {
  readonly world: Platform
  readonly history: History
  readonly token: (user: string, expiresAt: number) => string
  readonly tenant: string
  readonly user: string
  readonly gateway: string
  readonly channels: readonly string[]
}

const said: z.ZodType<Said> = z.object({ type: z.string(), id: z.string(), text: z.string(), keyed: z.boolean() })

/** The stream could not be reached: it may have happened or not. */
const internal = 100

/** A client that subscribes to topics, publishes in them, and reads their history. */
export class Listener {
  readonly published: Published[] = []
  readonly lost: ToldLost[] = []
  /** Ids of what passed by, in the order it came, by channel. */
  readonly passed = new Map<string, string[]>()
  readonly device: Device
  readonly tenant: string
  readonly name: string
  readonly #parts: ListenerParts
  /** Each time a place was lost a new run begins. */
  readonly #runs = new Map<string, number>()
  readonly #trouble: string[] = []
  #said = 0

  constructor(parts: ListenerParts) {
    const { world, tenant, user, gateway, channels, token } = parts
    this.#parts = parts
    this.tenant = tenant
    this.name = `${tenant}/${user}`
    const told = {
      joined: (channel: string, result: Subscribed, since: Place | undefined) => this.#joined(channel, result, since),
      heard: (channel: string, publication: Pub) => this.#heard(channel, publication),
    }
    this.device = new Device({ world, user, gateway, channels, token, told })
  }

  get trouble(): readonly string[] {
    return [...this.device.trouble, ...this.#trouble]
  }

  /** Says something once, whether it is answered or not. */
  publish(channel: string): void {
    if (!this.device.isOpen) return
    const { world, history, tenant, user } = this.#parts
    const id = `${user}-${++this.#said}`
    const text = `${user} of ${tenant} says ${id} in ${channel}`
    const topic = { tenant, channel }
    const published: Published = { topic, id, invokedAt: world.now, outcome: 'unknown' }
    this.published.push(published)
    history.invoke(this.name, { tenant, conversation: channel, user, clientId: id }, text)
    const data: Said = { type: 'said', id, text, keyed: false }
    this.device.ask({ publish: { channel, data } }, (reply) => {
      if (reply?.publish !== undefined) published.outcome = 'ok'
      else if (reply?.error !== undefined && reply.error.code !== internal) published.outcome = 'refused'
    })
  }

  /** Reads a page of what is kept. */
  read(channel: string): void {
    if (!this.device.isOpen) return
    const { world } = this.#parts
    const invokedAt = world.now
    this.device.ask({ history: { channel, limit: 100 } }, (reply) => {
      if (reply?.history !== undefined) this.#noteRead(channel, invokedAt, reply.history)
    })
  }

  #noteRead(channel: string, invokedAt: number, { offset: top, publications }: NonNullable<Line['history']>): void {
    const { world, history, tenant } = this.#parts
    const entries = publications.map((publication) => this.#entry(channel, publication))
    const session = `${this.name} reading`
    history.read({ session, tenant, conversation: channel, invokedAt, endedAt: world.now, top, entries })
    const holes = entries.some(({ seq }, n) => n > 0 && seq !== (entries[n - 1]?.seq ?? 0) + 1)
    if (holes) this.#trouble.push(`${this.name} read ${channel} with holes: ${entries.map(({ seq }) => seq).join()}`)
  }

  #joined(channel: string, { recovered, offset, epoch }: Subscribed, since: Place | undefined): void {
    if (recovered || channel.startsWith('user:')) return
    const { world, history, tenant } = this.#parts
    const topic = { tenant, channel }
    if (since !== undefined) {
      history.leave(this.#run(channel))
      this.#runs.set(channel, (this.#runs.get(channel) ?? 0) + 1)
      this.lost.push({ topic, listener: this.name, since, epoch, at: world.now })
    }
    history.joined(this.#run(channel), tenant, channel, offset)
  }

  #heard(channel: string, publication: Pub): void {
    if (channel.startsWith('user:')) return
    const entry = this.#entry(channel, publication)
    if (publication.offset > 0) return this.#parts.history.hear(this.#run(channel), entry)
    const passed = this.passed.get(channel) ?? []
    this.passed.set(channel, passed)
    passed.push(said.parse(publication.data).id)
    if (!entry.body.includes(` ${this.tenant} `)) this.#trouble.push(`${this.name} heard "${entry.body}"`)
  }

  #entry(channel: string, { offset, data, info }: Pub) {
    return toEntry({ tenant: this.tenant, channel }, offset, info?.user ?? '', said.parse(data))
  }

  #run(channel: string): string {
    return `${this.name} in ${channel}, run ${this.#runs.get(channel) ?? 0}`
  }
}
