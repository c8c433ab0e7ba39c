import type { StreamUpdate } from '../protocol/stream.ts'

/** A piece of news that ends where somebody left, if it does. */
export interface UpdatePart {
  readonly update: StreamUpdate
  readonly removed?: { readonly user: string; readonly offset: number }
}

/**
 * Cuts news behind each entry that says that somebody left: what follows is not for her. The stream says so by a signal
 * too, but a signal can be lost on the way; an entry cannot, since it is fetched when it is missing.
 */
export function splitAtRemovals(update: StreamUpdate): UpdatePart[] {
  const pieces: UpdatePart[] = []
  let after = update.after
  let begin = 0
  update.publications.forEach(({ data, offset }, index) => {
    if (!data.startsWith('{"type":"member.left"')) return
    const { member }: { member: string } = JSON.parse(data)
    const publications = update.publications.slice(begin, index + 1)
    pieces.push({ update: { ...update, after, publications, events: [] }, removed: { user: member, offset } })
    after = offset
    begin = index + 1
  })
  return [
    ...pieces,
    { update: begin === 0 ? update : { ...update, after, publications: update.publications.slice(begin) } },
  ]
}
