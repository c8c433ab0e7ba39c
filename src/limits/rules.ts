import type { StoredPolicy } from '../protocol/limits-api.ts'

/** How one window counts. `concurrency` counts what is held right now; the others what was spent. */
export type Algorithm = 'token-bucket' | 'gcra' | 'sliding-window' | 'fixed-window' | 'concurrency'

/** One window of a policy: `limit` units in `windowMs` milliseconds. */
export interface Window {
  readonly algorithm: Algorithm
  readonly limit: number
  /** 0 for concurrency, which knows no time. */
  readonly windowMs: number
  /** Units a bucket holds when it is full, and so may be spent at once; the other algorithms do not look at it. */
  readonly burst: number
}

/** All windows of a policy: a decision must fit into each. */
export interface Rules {
  readonly windows: readonly Window[]
  /** `hard`: never exceeded. `soft`: exceeded by at most `overshootBound`, for fewer calls near the limit. */
  readonly mode: 'hard' | 'soft'
  /** Grows with every change, so that a caller who has not heard of the newest rules does not bring old ones back. */
  readonly version: number
}

/** Most units that can be used at one moment under a window. */
export const capacityOf = ({ algorithm, limit, burst }: Window): number =>
  algorithm === 'token-bucket' || algorithm === 'gcra' ? burst : limit

/** Most units any single decision may cost under all windows. */
export const capacityUnder = ({ windows }: Rules): number => Math.min(...windows.map(capacityOf))

/** Units by which a policy may be exceeded at most: none when hard, a tenth of its capacity when soft. */
export const overshootBound = (rules: Rules): number =>
  rules.mode === 'hard' ? 0 : Math.ceil(capacityUnder(rules) / 10)

/** The rules of a policy as its tenant wrote it: a bucket holds its whole limit, GCRA one unit, unless it says more. */
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

/** The rules of a bucket that drips `perSecond` units and holds `burst`. */
export const bucketRules = (perSecond: number, burst: number, version: number): Rules => ({
  windows: [{ algorithm: 'token-bucket', limit: perSecond, windowMs: 1000, burst: Math.max(1, burst) }],
  mode: 'hard',
  version,
})
