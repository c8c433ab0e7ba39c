/** How many units were allowed at which millisecond. */
export type Moments = ReadonlyMap<number, number>

/** By how many units a bucket of `burst` that drips `perSecond` was exceeded at worst. */
export function overBucket(moments: Moments, perSecond: number, burst: number): number {
  let debt = 0
  let before = 0
  let worst = 0
  for (const [at, units] of sorted(moments)) {
    debt = Math.max(0, debt - (perSecond * (at - before)) / 1000) + units
    before = at
    worst = Math.max(worst, debt - burst)
  }
  return Math.round(worst)
}

/** By how many units `limit` was exceeded in the worst second. */
export function overAnySecond(moments: Moments, limit: number): number {
  const entries = sorted(moments)
  let worst = 0
  let start = 0
  let sum = 0
  for (const [at, units] of entries) {
    sum += units
    for (let [first, old] = entries[start] ?? [at, 0]; first <= at - 1000; [first, old] = entries[start] ?? [at, 0]) {
      sum -= old
      start++
    }
    worst = Math.max(worst, sum - limit)
  }
  return worst
}

const sorted = (moments: Moments) => [...moments].toSorted(([a], [b]) => a - b)
