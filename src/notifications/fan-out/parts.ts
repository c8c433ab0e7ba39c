/** Users that one call hands over, and characters of their profiles, at most. */
export const usersPerCall = 500
export const charactersPerCall = 400_000

/** A recipient that a request names. Profiles are what the user's profile is changed to. */
export interface Named {
  readonly user: string
  readonly profile?: object | undefined
}

/** Recipients of one actor that are handed over in one call. */
export interface Part<N extends Named> {
  readonly actor: number
  readonly users: readonly N[]
}

/**
 * Divides recipients into parts, each of one actor. Parts of different actors follow each other, so that calls meet different actors. The parts of an
 * actor follow the order of its tables, in which users are sorted: rows that are written together lie together.
 */
export function partsOf<N extends Named>(users: readonly N[], actorOf: (user: string) => number): Part<N>[] {
  const byActor = new Map<number, N[][]>()
  const spaceOf = new Map<number, { users: number; characters: number }>()
  for (const one of users.toSorted(byUser)) {
    const actor = actorOf(one.user)
    const characters = one.profile === undefined ? 0 : JSON.stringify(one.profile).length
    const parts = byActor.get(actor) ?? []
    byActor.set(actor, parts)
    let space = spaceOf.get(actor)
    if (space === undefined || space.users === 0 || space.characters < characters) {
      space = { users: usersPerCall, characters: charactersPerCall }
      spaceOf.set(actor, space)
      parts.push([])
    }
    space.users--
    space.characters -= characters
    parts.at(-1)?.push(one)
  }
  const rows = Math.max(0, ...[...byActor.values()].map((parts) => parts.length))
  return Array.from({ length: rows }, (_, row) =>
    [...byActor].flatMap(([actor, parts]) => (parts[row] === undefined ? [] : [{ actor, users: parts[row] }])),
  ).flat()
}

const byUser = (a: Named, b: Named): number => (a.user < b.user ? -1 : a.user > b.user ? 1 : 0)
