import type { StoredPolicy } from '../protocol/limits-api.ts'

/** How one window counts. `concurrency` counts what is held now; the others count what was spent. */
export type Algorithm = 'token-bucket' | 'gcra' | 'sliding-window' | 'fixed-window' | 'concurrency'

/** One window of a policy: `limit` units in `windowMs` milliseconds. */
export interface Window {
  readonly algorithm: Algorithm
  readonly limit: number
  /** 0 for concurrency, which has no time. */
  readonly windowMs: number
  /** Units in a full bucket, which may be spent at once; the other algorithms ignore it. */
  readonly burst: number
}

/** All windows of a policy: a decision must fit into each. */
export interface Rules {
  readonly windows: readonly Window[]
  /** `hard`: never exceeded. `soft`: exceeded by at most `overshootBound`, for fewer calls near the limit. */
  readonly mode: 'hard' | 'soft'
  /** Grows with every change, so that a caller with older rules does not bring them back. */
  readonly version: number
}

/** The largest number of units that can be used at one moment under a window. */
export const capacityOf = ({ algorithm, limit, burst }: Window): number =>
  algorithm === 'token-bucket' || algorithm === 'gcra' ? burst : limit

/** The largest cost of a single decision under all windows. */
export const capacityUnder = ({ windows }: Rules): number => Math.min(...windows.map(capacityOf))

/** Units by which a policy may be exceeded: none when hard, a tenth of its capacity when soft. */
export const overshootBound = (rules: Rules): number =>
  rules.mode === 'hard' ? 0 : Math.ceil(capacityUnder(rules) / 10)

/**
 * The rules of a policy as its tenant wrote it: a bucket holds its whole limit, GCRA one unit, unless `burst` says
 * otherwise.
 */
export const rulesOf = ({ windows, mode, version }: Pick<StoredPolicy, 'windows' | 'mode' | 'version'>): Rules => ({
  windows: windows.map((window) => ({
    algorithm: window.algorithm,
    limit: window.limit,
    windowMs: 'windowSeconds' in window ? window.windowSeconds * 1000 : 0,
    burst: ('burst' in window ? window.burst : undefined) ?? (window.algorithm === 'gcra' ? 1 : window.limit),
  })),
  mode,
  version,
})

/** The rules of a bucket that refills `perSecond` units and holds `burst`. */
export const bucketRules = (perSecond: number, burst: number, version: number): Rules => ({
  windows: [{ algorithm: 'token-bucket', limit: perSecond, windowMs: 1000, burst: Math.max(1, burst) }],
  mode: 'hard',
  version,
})
