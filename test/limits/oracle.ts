import type { Window } from '../../src/limits/rules.ts'

/** By how many units the moments exceed a window at worst; 0 when they never do. Counts whole numbers, so nothing is rounded away. */
export function overshoot(window: Window, moments: readonly number[]): number {
  const sorted = moments.toSorted((a, b) => a - b)
  if (window.algorithm === 'sliding-window') return slidingOvershoot(window, sorted)
  return window.algorithm === 'fixed-window' ? fixedOvershoot(window, sorted) : bucketOvershoot(window, sorted)
}

/** How many of these demands an all-knowing limiter without any delay would have let through. */
export function idealCount(window: Window, demands: readonly number[]): number {
  const passed: number[] = []
  let debt = 0
  let before = 0
  let counted = 0
  let current = -1
  let start = 0
  for (const at of demands) {
    if (window.algorithm === 'sliding-window') {
      while ((passed[start] ?? at) <= at - window.windowMs) start++
      if (passed.length - start < window.limit) passed.push(at)
      continue
    }
    if (window.algorithm === 'fixed-window') {
      const slot = Math.floor(at / window.windowMs)
      counted = slot === current ? counted : 0
      current = slot
      if (counted++ < window.limit) passed.push(at)
      continue
    }
    debt = Math.max(0, debt - window.limit * (at - before))
    before = at
    if (debt + window.windowMs > window.burst * window.windowMs) continue
    debt += window.windowMs
    passed.push(at)
  }
  return passed.length
}

function bucketOvershoot({ limit, windowMs, burst }: Window, moments: readonly number[]): number {
  let debt = 0
  let before = 0
  let worst = 0
  for (const at of moments) {
    debt = Math.max(0, debt - limit * (at - before)) + windowMs
    before = at
    worst = Math.max(worst, debt / windowMs - burst)
  }
  return worst
}

function slidingOvershoot({ limit, windowMs }: Window, moments: readonly number[]): number {
  let worst = 0
  let start = 0
  for (const [index, at] of moments.entries()) {
    while ((moments[start] ?? at) <= at - windowMs) start++
    worst = Math.max(worst, index + 1 - start - limit)
  }
  return worst
}

function fixedOvershoot({ limit, windowMs }: Window, moments: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const at of moments) {
    const slot = Math.floor(at / windowMs)
    counts.set(slot, (counts.get(slot) ?? 0) + 1)
  }
  return Math.max(0, ...[...counts.values()].map((count) => count - limit))
}
