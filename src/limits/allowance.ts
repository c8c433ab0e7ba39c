import { capacityUnder, type Rules } from './rules.ts'

/**
 * What may be granted before the account is written again. It is written together with the account, so that after a
 * loss of memory every granted unit is either in the account or presumed lent: the limit can then only be too strict.
 */
export interface Allowance {
  readonly units: number
  readonly used: number
  /** Milliseconds since the epoch. */
  readonly writtenAt: number
}

/** How long an allowance is valid: a key that slept longer lost only leases that have ended meanwhile. */
export const allowanceMs = 10_000
/**
 * With windows up to this length, the cost of a loss of memory is recovered within a minute; with longer ones it is
 * not.
 */
const shortWindowMs = 60_000

export const noAllowance: Allowance = { units: 0, used: 0, writtenAt: Number.NEGATIVE_INFINITY }

/**
 * The allowance after `units` were granted, or the next one, to be written with the account before the answer leaves.
 */
export function cover(
  { units: allowed, used, writtenAt }: Allowance,
  units: number,
  rules: Rules,
  now: number,
): { readonly write: boolean; readonly allowance: Allowance } {
  const fresh = now - writtenAt < allowanceMs
  if (fresh && used + units <= allowed)
    return { write: false, allowance: { units: allowed, used: used + units, writtenAt } }

  const next = fresh ? Math.min(8 * (used + units), maxAllowance(rules)) : 0
  return { write: true, allowance: { units: next, used: 0, writtenAt: now } }
}

/** Whether an allowance that an eviction leaves unused would be missed for longer than a minute. */
export const isPrecious = (rules: Rules): boolean =>
  rules.windows.some(({ algorithm, windowMs }) => algorithm === 'concurrency' || windowMs > shortWindowMs)

function maxAllowance(rules: Rules): number {
  if (rules.windows.some(({ algorithm }) => algorithm === 'concurrency')) return 0
  return Math.floor(capacityUnder(rules) / (isPrecious(rules) ? 64 : 2))
}
