import { recipientActors } from '../../../../durable-objects/address.ts'

/** A page of what lies in the actors of recipients. */
export interface ActorPage<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

/**
 * A page of what all actors of recipients have: actor by actor, in each of them in its own order. `read` gives items behind `after`, with
 * the last one as it stands in a cursor. A cursor is `<actor>:<last item>`.
 */
export async function pageOfActors<T>(
  cursor: string | undefined,
  limit: number,
  read: (
    actor: number,
    after: string,
    limit: number,
  ) => Promise<{ readonly items: readonly T[]; readonly last: string }>,
): Promise<ActorPage<T>> {
  const [first = '0'] = (cursor ?? '0:').split(':', 1)
  const items: T[] = []
  let after = (cursor ?? '0:').slice(first.length + 1)
  for (let actor = Number(first); actor < recipientActors; actor++) {
    const page = await read(actor, after, limit - items.length)
    items.push(...page.items)
    if (items.length >= limit) return { items, next: `${actor}:${page.last}` }
    after = ''
  }
  return { items, next: null }
}
