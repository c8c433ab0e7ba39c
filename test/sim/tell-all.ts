import { expect } from 'vitest'

/** Tells the stories of many seeds; a broken promise names its seed and can be told again. */
export async function tellAll<Ending extends { readonly broken: readonly string[] }>(
  seeds: number,
  tell: (seed: number) => Promise<Ending>,
): Promise<Ending[]> {
  const endings: Ending[] = []
  for (let seed = 1; seed <= seeds; seed++) {
    const ending = await tell(seed)
    expect({ seed, broken: ending.broken }).toEqual({ seed, broken: [] })
    endings.push(ending)
  }
  return endings
}

export const sum = <Ending>(endings: readonly Ending[], of: (ending: Ending) => number): number =>
  endings.reduce((total, ending) => total + of(ending), 0)
