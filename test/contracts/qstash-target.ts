import { randomUUID } from 'node:crypto'
import { Client, Receiver } from '@upstash/qstash'
import { expect, vi } from 'vitest'
import type { Delivery, Hook, Hooks } from './qstash-hooks.ts'

/** A QStash to hold to its contract: the stand-in, or the real service. */
export interface Target {
  url: string
  token: string
  currentSigningKey: string
  nextSigningKey: string
  /** How many times shorter its waits are than the real service's. */
  timeScale: number
  /** How long to wait for what must happen, in real milliseconds. */
  timeoutMs: number
  hooks: Hooks
  close(): Promise<void>
}

/** A target with the SDK's own client and receiver, and the words the suite speaks in. */
export class Bench {
  readonly target: Target
  readonly client: Client
  readonly receiver: Receiver

  constructor(target: Target) {
    this.target = target
    this.client = new Client({ baseUrl: target.url, token: target.token, retry: false })
    this.receiver = new Receiver(target)
  }

  get hooks(): Hooks {
    return this.target.hooks
  }

  /** A name that no other run and no other user of the account has. */
  name(kind: string): string {
    return `contract-${kind}-${randomUUID().slice(0, 8)}`
  }

  /** How long a wait of `seconds` lasts here, in real milliseconds, less what clocks and timers may differ by. */
  lasting(seconds: number): number {
    return (seconds * 1000 * 0.95) / this.target.timeScale - 2
  }

  /** Waits until `holds` no longer throws. */
  async eventually<T>(holds: () => T | Promise<T>): Promise<T> {
    const interval = this.target.timeScale > 1 ? 5 : 500
    return vi.waitFor(holds, { timeout: this.target.timeoutMs, interval })
  }

  /** Waits for the n-th delivery to a hook. */
  async delivery(hook: Hook, nth = 1): Promise<Delivery> {
    return this.eventually(() => {
      const delivery = hook.deliveries[nth - 1]
      if (delivery === undefined) throw new Error(`${hook.deliveries.length} of ${nth} deliveries to ${hook.url}`)
      return delivery
    })
  }

  /** Waits until a message published now, and held back by nothing, is through: whatever was free to go has gone. */
  async quiet(delay = 0): Promise<void> {
    const marker = this.hooks.open()
    await this.client.publish({ url: marker.url, delay })
    await this.delivery(marker)
  }

  /** Throws unless the SDK's receiver takes the delivery as signed for `url`. */
  async verify(delivery: Delivery, url: string): Promise<void> {
    const signature = delivery.header['upstash-signature'] ?? ''
    const body = delivery.body.toString()
    await expect(this.receiver.verify({ signature, body, url, clockTolerance: 5 })).resolves.toBe(true)
  }
}

/** Milliseconds between two deliveries to a hook, counted from 1. */
export function gap(hook: Hook, from: number, to: number): number {
  return (hook.deliveries[to - 1]?.at ?? Number.NaN) - (hook.deliveries[from - 1]?.at ?? Number.NaN)
}
