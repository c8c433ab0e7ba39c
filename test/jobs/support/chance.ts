/** Pseudo-random numbers (mulberry32): the same seed gives the same numbers. */
export function seeded(seed: number) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    below: (most: number) => Math.floor(next() * most),
    happens: (probability: number) => next() < probability,
    between: (low: number, high: number) => low + next() * (high - low),
  }
}

export type Chance = ReturnType<typeof seeded>
