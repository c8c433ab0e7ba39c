import { z } from 'zod'
import { newSigningSecret } from '../../src/jobs/webhooks/signature.ts'

const stored = z.array(z.object({ secret: z.string(), until: z.number().nullable() }))

/** How long the previous secret signs beside the new one, so that receivers can change over. */
const overlapMs = 24 * 3_600_000

/** The secrets that sign a queue's posts to endpoints, created when first needed. */
export class SigningSecrets {
  readonly #kv: SyncKvStorage
  #secrets: z.output<typeof stored> | undefined

  constructor(kv: SyncKvStorage) {
    this.#kv = kv
  }

  /** Valid secrets, the newest first. */
  current(now: number): string[] {
    const valid = this.#read().filter(({ until }) => until === null || until > now)
    return valid.length > 0 ? valid.map(({ secret }) => secret) : this.rotate(now)
  }

  /** Creates a secret; the previous one signs beside it for a day. */
  rotate(now: number): string[] {
    const before = this.#read().filter(({ until }) => until === null)
    const secrets = [
      { secret: newSigningSecret(), until: null },
      ...before.map(({ secret }) => ({ secret, until: now + overlapMs })),
    ]
    this.#kv.put('secrets', secrets)
    this.#secrets = secrets
    return secrets.map(({ secret }) => secret)
  }

  #read(): z.output<typeof stored> {
    return (this.#secrets ??= stored.parse(this.#kv.get('secrets') ?? []))
  }
}
