import type { ActivityQuery, ActivityRow, ConversationActivity } from '../events/activity.ts'

/** A place in a list: newest first, and by descending id where times are equal. */
interface Placed {
  readonly conversation: string
  readonly at: number
}

/** Orders a list. */
export const byNewest = (a: Placed, b: Placed): number =>
  b.at - a.at || (a.conversation < b.conversation ? 1 : a.conversation > b.conversation ? -1 : 0)

/** The page of a list in which nothing happened since the inbox's own entries. */
export function pageOfListed({
  conversations,
  before,
  limit,
}: Pick<Extract<ActivityQuery, { kind: 'newest' }>, 'conversations' | 'before' | 'limit'>): ActivityRow[] {
  const rows = conversations.map(([conversation, at]) => ({ conversation, at, activity: undefined }))
  return pageOf(rows, before, limit)
}

/** The newest `limit` rows before a place. */
export function pageOf(
  rows: readonly ActivityRow[],
  before: readonly [at: number, id: string] | undefined,
  limit: number,
): ActivityRow[] {
  const [at, conversation] = before ?? [Infinity, '']
  return rows
    .filter((row) => byNewest({ at, conversation }, row) < 0)
    .toSorted(byNewest)
    .slice(0, limit)
}

/** An activity for one user: without the states of others. */
export const withStatesOf = (activity: ConversationActivity, user: string | undefined): ConversationActivity =>
  user === undefined ? activity : { ...activity, states: activity.states.filter((state) => state.user === user) }
