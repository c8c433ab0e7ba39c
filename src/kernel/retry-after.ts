/**
 * Milliseconds that a `Retry-After` header asks for (RFC 9110 §10.2.3): a number of seconds, or a date. At least a second, at most
 * `maxSeconds`; undefined without a header that says either.
 */
export function retryAfterMs(value: string | null, now: number, maxSeconds: number): number | undefined {
  if (value === null) return undefined
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - now) / 1000
  return Number.isNaN(seconds) ? undefined : Math.min(maxSeconds, Math.max(1, Math.ceil(seconds))) * 1000
}
