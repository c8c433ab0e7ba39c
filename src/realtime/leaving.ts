import type { StreamUpdate } from '../protocol/stream.ts'

/** A piece of news that ends where somebody left, if it does. */
export interface Piece {
  readonly news: StreamUpdate
  readonly left?: { readonly user: string; readonly offset: number }
}

/**
 * Cuts news behind each entry that says that somebody left: what follows is not for her. The stream says so by a signal
 * too, but a signal can be lost on the way; an entry cannot, since it is fetched when it is missing.
 */
export function cutAtLeavings(update: StreamUpdate): Piece[] {
  const pieces: Piece[] = []
  let after = update.after
  let begin = 0
  update.publications.forEach(({ data, offset }, index) => {
    if (!data.startsWith('{"type":"member.left"')) return
    const { member }: { member: string } = JSON.parse(data)
    const publications = update.publications.slice(begin, index + 1)
    pieces.push({ news: { ...update, after, publications, signals: [] }, left: { user: member, offset } })
    after = offset
    begin = index + 1
  })
  return [
    ...pieces,
    { news: begin === 0 ? update : { ...update, after, publications: update.publications.slice(begin) } },
  ]
}
