/**
 * The shortest list it can find, within its budget of tries, that still fails: leaves out halves, then quarters, and
 * so on, as long as what remains fails (delta debugging, Zeller 2002).
 */
export async function shrink<T>(
  list: readonly T[],
  fails: (some: readonly T[]) => Promise<boolean>,
  mayGoOn: () => boolean,
): Promise<readonly T[]> {
  let shortest = list
  let parts = 2
  while (shortest.length > 1 && parts <= 2 * shortest.length && mayGoOn()) {
    const without = await firstThatFails(leavingOut(shortest, Math.min(parts, shortest.length)), fails, mayGoOn)
    if (without === undefined) parts *= 2
    else {
      shortest = without
      parts = Math.max(2, parts - 1)
    }
  }
  return shortest
}

async function firstThatFails<T>(
  candidates: readonly (readonly T[])[],
  fails: (some: readonly T[]) => Promise<boolean>,
  mayGoOn: () => boolean,
): Promise<readonly T[] | undefined> {
  for (const candidate of candidates) if (mayGoOn() && (await fails(candidate))) return candidate
  return undefined
}

/** The list without each of its `parts` parts in turn. */
function leavingOut<T>(list: readonly T[], parts: number): T[][] {
  const size = Math.ceil(list.length / parts)
  return Array.from({ length: Math.ceil(list.length / size) }, (_, n) => [
    ...list.slice(0, n * size),
    ...list.slice((n + 1) * size),
  ])
}
