import type { Mark } from '../../protocol/feed-marks.ts'

/** When an item was marked, in milliseconds since the epoch; null where it is not. */
export interface ItemState {
  readonly seenAt: number | null
  readonly readAt: number | null
  readonly interactedAt: number | null
  readonly archivedAt: number | null
  readonly pinnedAt: number | null
}

const times = ['seenAt', 'readAt', 'interactedAt', 'archivedAt', 'pinnedAt'] as const

export const newItemState: ItemState = {
  seenAt: null,
  readAt: null,
  interactedAt: null,
  archivedAt: null,
  pinnedAt: null,
}

/**
 * The state after a mark; the same object when it changes nothing. What is read is seen, and what was interacted with is read; an
 * archived item is not pinned.
 */
export function marked(state: ItemState, mark: Mark, now: number): ItemState {
  const next = { ...state, ...changeBy(state, mark, now) }
  return times.every((time) => state[time] === next[time]) ? state : next
}

function changeBy(state: ItemState, mark: Mark, now: number): Partial<ItemState> {
  const { seenAt, readAt, interactedAt, archivedAt, pinnedAt } = state
  switch (mark) {
    case 'seen':
      return { seenAt: seenAt ?? now }
    case 'read':
      return { seenAt: seenAt ?? now, readAt: readAt ?? now }
    case 'interacted':
      return { seenAt: seenAt ?? now, readAt: readAt ?? now, interactedAt: interactedAt ?? now }
    case 'archived':
      return { archivedAt: archivedAt ?? now, pinnedAt: null }
    case 'pinned':
      return { pinnedAt: pinnedAt ?? now, archivedAt: null }
    case 'unseen':
      return { seenAt: null, readAt: null }
    case 'unread':
      return { readAt: null }
    case 'unarchived':
      return { archivedAt: null }
    case 'unpinned':
      return { pinnedAt: null }
  }
}

/** How many items a feed has. Archived items are in no count but their own. */
export interface FeedCounts {
  readonly total: number
  readonly unseen: number
  readonly unread: number
  readonly archived: number
  readonly pinned: number
}

export const noItems: FeedCounts = { total: 0, unseen: 0, unread: 0, archived: 0, pinned: 0 }

/** What one item adds to the counts of its feed. */
export function countsOf({ seenAt, readAt, archivedAt, pinnedAt }: ItemState): FeedCounts {
  const isOpen = archivedAt === null
  return {
    total: Number(isOpen),
    unseen: Number(isOpen && seenAt === null),
    unread: Number(isOpen && readAt === null),
    archived: Number(!isOpen),
    pinned: Number(pinnedAt !== null),
  }
}

/** `counts` with those of `by` added `times`. */
export const plus = (counts: FeedCounts, by: FeedCounts, times = 1): FeedCounts => ({
  total: counts.total + times * by.total,
  unseen: counts.unseen + times * by.unseen,
  unread: counts.unread + times * by.unread,
  archived: counts.archived + times * by.archived,
  pinned: counts.pinned + times * by.pinned,
})
