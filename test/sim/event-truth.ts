import { z } from 'zod'
import type { Host } from './host.ts'
import { tenant } from './neighbours.ts'
import type { Platform } from './platform.ts'

export const topicName = 'orders'
export const orderType = 'order.placed'
/** The version of orders that consumers ask for. */
export const newestVersion = 3

/** An event as it is stored in its log. */
export interface Row extends Record<string, string | number | null> {
  readonly offset: number
  readonly id: string
  readonly type: string
  readonly key: string | null
  readonly version: number
}

const position = z.object({ settled: z.number(), ranges: z.array(z.tuple([z.number(), z.number()])) })

/** What really stands in the log of the topic and in its consumers. */
export class EventTruth {
  readonly #world: Platform

  constructor(world: Platform) {
    this.#world = world
  }

  log(): Row[] {
    const host = this.#host('EventLog', topicName)
    const columns = 'offset, id, type, key, version'
    return host?.disk.exec<Row>(`SELECT ${columns} FROM events ORDER BY offset`).toArray() ?? []
  }

  /** The offsets that a consumer is done with, up to `top`. */
  settled(consumer: string, top: number): Set<number> {
    const text = this.#rows<{ value: string }>(consumer, "SELECT value FROM facts WHERE name = 'position'")[0]?.value
    if (text === undefined) return new Set()
    const { settled, ranges } = position.parse(JSON.parse(text))
    const offsets = Array.from({ length: top }, (_, n) => n + 1)
    return new Set(
      offsets.filter((offset) => offset <= settled || ranges.some(([from, to]) => from <= offset && offset <= to)),
    )
  }

  retries(consumer: string): number[] {
    return this.#offsets(consumer, 'SELECT offset FROM retries')
  }

  dead(consumer: string): number[] {
    return this.#offsets(consumer, 'SELECT offset FROM dead')
  }

  leases(consumer: string): number {
    return this.#rows(consumer, 'SELECT id FROM leases').length
  }

  /** Whether an event was ever a dead letter: it is then handed out again out of order. */
  wasDead(consumer: string, offset: number): boolean {
    const written = this.#host('EventConsumer', consumer)?.disk.written ?? []
    return written.some((one) => one.kind === 'sql' && one.query.includes('INTO dead') && one.bindings[0] === offset)
  }

  #offsets(consumer: string, sql: string): number[] {
    return this.#rows<{ offset: number }>(consumer, sql).map(({ offset }) => offset)
  }

  #rows<R extends Record<string, string | number | null>>(consumer: string, sql: string): R[] {
    return this.#host('EventConsumer', consumer)?.disk.exec<R>(sql).toArray() ?? []
  }

  /** An actor that has written its tables. */
  #host(kind: string, name: string): Host | undefined {
    const host = this.#world.hosts.get(`${kind} ${tenant}/${name}`)
    return host === undefined || host.disk.size === 0 ? undefined : host
  }
}
