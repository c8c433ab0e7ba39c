import { capacityUnder, type Rules } from './rules.ts'

/**
 * What may be granted before the account is written again. It is written together with the account, so that after a
 * loss of memory everything granted is either in the account or presumed lent: then a limit can only be too strict.
 */
export interface Allowance {
  readonly units: number
  readonly used: number
  /** Milliseconds since the epoch. */
  readonly writtenAt: number
}

/** An allowance is good for this long: a key that slept longer lost at most leases that are over by now. */
export const allowanceMs = 10_000
/** Up to this window what a loss of memory costs is back within a minute; with longer ones units are precious. */
const shortWindowMs = 60_000

export const noAllowance: Allowance = { units: 0, used: 0, writtenAt: Number.NEGATIVE_INFINITY }

/** The allowance after granting `units`, or the next one, to be written with the account before the answer leaves. */
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

/** Whether an allowance left over by an eviction would be missed for longer than a minute. */
export const isPrecious = (rules: Rules): boolean =>
  rules.windows.some(({ algorithm, windowMs }) => algorithm === 'concurrency' || windowMs > shortWindowMs)

function maxAllowance(rules: Rules): number {
  if (rules.windows.some(({ algorithm }) => algorithm === 'concurrency')) return 0
  return Math.floor(capacityUnder(rules) / (isPrecious(rules) ? 64 : 2))
}
