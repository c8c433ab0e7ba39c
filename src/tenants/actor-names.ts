import { hash32, mixed32 } from '../kernel/id.ts'

/** Actors of a tenant that list its other actors. Their names hold the number: it cannot change without moving names. */
export const namesActors = 4

/** The number of the actor that lists the one of this name. */
export const namesNumberOf = (name: string): number => mixed32(hash32(name)) % namesActors

/** Classes of actors that only a list of their names finds. */
export type ListedClass = 'Inbox' | 'RateLimiter' | 'Topic'

/** The name under which the inbox of an erased user is listed: the id of the actor, behind a space, which no user's id has. */
export const erasedInboxName = (id: string): string => ` ${id}`

/** The id of the actor in such a name; undefined for the name of another inbox, which is its user's id. */
export const erasedInboxId = (name: string): string | undefined => (name.startsWith(' ') ? name.slice(1) : undefined)

/** Names of actors, in order; `next` is where the following page begins, null at the end. */
export interface NamesPage {
  readonly names: readonly string[]
  readonly next: string | null
}
