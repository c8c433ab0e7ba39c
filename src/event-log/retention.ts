/** How long a topic keeps its events: whatever is reached first. */
export interface Retention {
  readonly maxAgeSeconds: number
  readonly maxBytes: number
}

export const defaultRetention: Retention = { maxAgeSeconds: 7 * 86_400, maxBytes: 1_073_741_824 }

/** The events of one topic, as retention needs them. Offsets from `first` to `top` are all kept. */
export interface RetentionStore {
  readonly first: number
  readonly top: number
  /** When the event at this offset was appended. */
  atOf(offset: number): number
  /** The bytes of all events up to this offset, also of those deleted since. */
  totalOf(offset: number): number
  removeUpTo(offset: number): void
}

/** Events deleted in one step. */
export const removedAtOnce = 5000

/** The lowest offset from `first` to `top` for which `isReached` holds, which it then does for all above; `top + 1` for none. */
export function lowestWhere(first: number, top: number, isReached: (offset: number) => boolean): number {
  let low = first
  let high = top + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (isReached(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** The first event that is not over age and size. Readers are shown nothing below it, however late the deletion is. */
export function firstKept(store: RetentionStore, { maxAgeSeconds, maxBytes }: Retention, now: number): number {
  const { first, top } = store
  if (first > top) return first
  const young = lowestWhere(first, top, (offset) => store.atOf(offset) > now - maxAgeSeconds * 1000)
  const size = store.totalOf(top)
  return lowestWhere(young, top, (offset) => size - store.totalOf(offset) < maxBytes)
}

/**
 * Deletes events that are over age and size, at most `removedAtOnce`. Returns when to look again, in milliseconds since the
 * epoch; undefined when nothing is left.
 */
export function removeOld(store: RetentionStore, retention: Retention, now: number): number | undefined {
  const { first } = store
  const kept = firstKept(store, retention, now)
  const upTo = Math.min(kept - 1, first + removedAtOnce - 1)
  if (upTo >= first) store.removeUpTo(upTo)
  if (upTo < kept - 1) return now
  return kept > store.top ? undefined : store.atOf(kept) + retention.maxAgeSeconds * 1000
}
