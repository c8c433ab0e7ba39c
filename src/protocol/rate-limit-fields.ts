/** One policy as the RateLimit fields report it. Quantities are whole; times are seconds. */
export interface QuotaState {
  /** The policy's name; what a String of RFC 9651 cannot hold is left out of it. */
  readonly name: string
  readonly quota: number
  readonly windowSeconds: number
  readonly remaining: number
  readonly resetSeconds: number
}

/**
 * `RateLimit-Policy`, `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11: Lists of Strings with parameters) and the
 * older `X-RateLimit-*` for the first policy, which clients know from elsewhere.
 */
export function rateLimitFields(states: readonly QuotaState[]): Record<string, string> {
  const [first] = states
  if (first === undefined) return {}
  return {
    'RateLimit-Policy': states.map((each) => `${text(each.name)};q=${whole(each.quota)};w=${window(each)}`).join(', '),
    RateLimit: states
      .map((each) => `${text(each.name)};r=${whole(each.remaining)};t=${ceiling(each.resetSeconds)}`)
      .join(', '),
    'X-RateLimit-Limit': String(whole(first.quota)),
    'X-RateLimit-Remaining': String(whole(first.remaining)),
    'X-RateLimit-Reset': String(ceiling(first.resetSeconds)),
  }
}

/** Integers of RFC 9651 have at most fifteen digits. */
const maxInteger = 999_999_999_999_999

const whole = (value: number) => Math.min(maxInteger, Math.max(0, Math.floor(value)))
const ceiling = (value: number) => Math.min(maxInteger, Math.max(0, Math.ceil(value)))
/** A window is never shorter than a second: `w` must be above zero. */
const window = ({ windowSeconds }: QuotaState) => Math.max(1, ceiling(windowSeconds))
const text = (name: string) => `"${name.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`
