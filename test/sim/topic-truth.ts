import type { Entry } from '../support/history.ts'
import type { Host } from './host.ts'
import type { Platform } from './platform.ts'

/** Which topic of which tenant. */
export interface TopicAddress {
  readonly tenant: string
  readonly channel: string
}

/** One publication that a topic stored: its offset, its time by the topic's clock, its author and data. */
export interface Stored {
  readonly epoch: string
  readonly offset: number
  readonly at: number
  readonly user: string
  readonly data: Said
}

/** What is published: words that name their tenant, under an id of their own. */
export interface Said {
  readonly type: string
  readonly id: string
  readonly text: string
  /** Whether the server said it, under `id` as its idempotency key. */
  readonly keyed: boolean
}

export const nameOf = ({ tenant, channel }: TopicAddress) => `${tenant}/${channel}`

/** What topics stored, also what they have dropped since: read from all they ever wrote. */
export class TopicTruth {
  readonly #world: Platform

  constructor(world: Platform) {
    this.#world = world
  }

  host(topic: TopicAddress): Host {
    return this.#world.host('Topic', nameOf(topic))
  }

  /** Everything a topic ever stored, except what a crash took before any client received it. */
  stored(topic: TopicAddress): Stored[] {
    let epoch = ''
    return this.host(topic).disk.written.flatMap((one) => {
      if (one.kind !== 'sql') return []
      const { query, bindings } = one
      if (query.startsWith('INSERT INTO facts') && bindings[0] === 'epoch') epoch = String(bindings[1])
      return query.startsWith('INSERT INTO entries') ? [toStored(epoch, bindings)] : []
    })
  }

  top(topic: TopicAddress): number {
    const inserts = this.host(topic).disk.written.filter(
      (one) => one.kind === 'sql' && one.query.startsWith('INSERT INTO entries'),
    )
    const last = inserts.at(-1)
    return last?.kind === 'sql' ? Number(last.bindings[0]) : 0
  }

  /** The same as a history speaks of it. What a user said has no key, so it may be there twice. */
  log(topic: TopicAddress): Entry[] {
    return this.stored(topic).map(({ offset, user, data }) => toEntry(topic, offset, user, data))
  }
}

export function toEntry({ tenant, channel }: TopicAddress, seq: number, user: string, said: Said): Entry {
  return { tenant, conversation: channel, seq, user, clientId: said.keyed ? said.id : null, body: said.text }
}

function toStored(epoch: string, [offset, at, data, info]: readonly unknown[]): Stored {
  const said: Said = JSON.parse(String(data))
  const { user }: { user: string } = typeof info === 'string' ? JSON.parse(info) : { user: '' }
  return { epoch, offset: Number(offset), at: Number(at), user, data: said }
}
