import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../src/env.ts'
import { grant, type Bucket, type Rate } from '../src/limits/bucket.ts'
import { horizonToWrite } from '../src/limits/horizon.ts'
import type { LeaseAnswer } from '../src/limits/lease.ts'
import { systemClock } from '../src/kernel/clock.ts'

/** How long a holder may spend what it was granted. */
const leaseMs = 10_000

/** One bucket: grants tokens that are already deducted, so that no number of holders can exceed the limit. */
export class RateLimiter extends DurableObject<Env> {
  readonly #clock = systemClock
  #noted = this.ctx.storage.kv.get<number>('fullAt') ?? 0
  #bucket: Bucket = { fullAt: this.#noted }

  /** Up to `want` tokens at `rate`; fewer near the limit, or none and when to come back. */
  lease({ rate, want }: { readonly rate: Rate; readonly want: number }): LeaseAnswer {
    const now = this.#clock.now()
    const granted = grant(this.#bucket, rate, want, now)
    if (granted.kind === 'empty') return granted

    this.#note(granted.bucket, now)
    this.#bucket = granted.bucket
    return { kind: 'granted', tokens: granted.tokens, expiresAt: now + leaseMs }
  }

  /** Written before the grant leaves: after a loss of memory the bucket is at least as empty as it was. */
  #note(bucket: Bucket, now: number): void {
    const horizon = horizonToWrite(this.#noted, bucket, now)
    if (horizon === undefined) return
    this.ctx.storage.kv.put('fullAt', horizon)
    this.#noted = horizon
  }
}
