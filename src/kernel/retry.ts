/**
 * How long to wait before attempt `n` (from 1): exponential from `base`, capped, half of it fixed and half random
 * (equal jitter), `random` in [0,1).
 */
export function backoffMs(n: number, base: number, cap: number, random: number): number {
  const ceiling = Math.min(cap, base * 2 ** Math.min(n - 1, 30))
  return Math.ceil(ceiling / 2 + (ceiling / 2) * random)
}

/**
 * A wait that many callers are given at once, made longer by up to half of it and a second, so that they do not return
 * together.
 */
export const spreadMs = (waitMs: number, random: number): number => waitMs + Math.floor((waitMs / 2 + 1000) * random)

/**
 * A timer, or undefined where the runtime has no room for another: it throws then, and work must not fail, nor a limit
 * be skipped, only because no timer could be set.
 */
function setTimer(work: () => void, ms: number): ReturnType<typeof setTimeout> | undefined {
  try {
    return setTimeout(work, ms)
  } catch {
    return undefined
  }
}

/** Fails with `what timed out` if `work` takes longer than `ms`; the work itself goes on, so it must be idempotent. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimer(() => late.reject(new Error(`${what} timed out after ${ms} ms`)), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    if (timer !== undefined) clearTimeout(timer)
  }
}
