import type { StreamPosition } from './stream.ts'

/** What a subscriber with a position gets: everything after it, or word that this is not possible. */
export type Recovery =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'recovered'; readonly after: number }
  | { readonly kind: 'lost' }

/**
 * Decides a recovery (Centrifuge protocol, "recover"): possible when the epoch is the stream's own or not named,
 * the position is not ahead of the stream, everything after it is still held (`floor`) and is at most `cap` entries.
 */
export function decideRecovery(
  since: StreamPosition | undefined,
  stream: { readonly epoch: string; readonly top: number; readonly floor: number },
  cap: number,
): Recovery {
  if (since === undefined) return { kind: 'fresh' }
  const sameEpoch = since.epoch === '' || since.epoch === stream.epoch
  const known = since.offset <= stream.top
  const held = since.offset + 1 >= stream.floor
  const fits = stream.top - since.offset <= cap
  return sameEpoch && known && held && fits ? { kind: 'recovered', after: since.offset } : { kind: 'lost' }
}
