/** Classes of actors that only a list of their names finds. */
export type ListedClass = 'Inbox' | 'RateLimiter' | 'Topic'

/** Names of actors, in order; `next` is where the following page begins, null at the end. */
export interface NamesPage {
  readonly names: readonly string[]
  readonly next: string | null
}
