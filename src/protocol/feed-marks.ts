/** What a user can say of an item of a feed. Each `un…` takes the other back. */
export const marks = [
  'seen',
  'unseen',
  'read',
  'unread',
  'interacted',
  'archived',
  'unarchived',
  'pinned',
  'unpinned',
] as const
export type Mark = (typeof marks)[number]
