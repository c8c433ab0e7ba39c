/** How long to wait between attempts. */
export interface Backoff {
  readonly kind: 'fixed' | 'exponential'
  /** The wait; with `exponential` the first, which doubles from then on. */
  readonly seconds: number
  readonly maxSeconds: number
  /** The share of the wait that is random: 0 none, 1 all of it ("full jitter", AWS Builders' Library). */
  readonly jitter: number
  /** Other waits by the kind of failure. */
  readonly perError?: Readonly<Record<string, { readonly seconds: number }>>
}

/** Milliseconds before the attempt after the `failed`-th (from 1); `random` in [0,1). */
export function backoffMs(backoff: Backoff, failed: number, error: string | undefined, random: number): number {
  const known = error !== undefined && backoff.perError !== undefined && Object.hasOwn(backoff.perError, error)
  const special = known ? backoff.perError?.[error] : undefined
  const first = special?.seconds ?? backoff.seconds
  const doubled = special === undefined && backoff.kind === 'exponential' ? 2 ** Math.min(failed - 1, 30) : 1
  const ceiling = Math.min(backoff.maxSeconds, first * doubled) * 1000
  return Math.ceil(ceiling * (1 - backoff.jitter + backoff.jitter * random))
}
