import type { ActivityRow, ConversationActivity, NewestQuery } from '../events/activity.ts'

/** A place in a list: newest first, and by descending id where times are equal. */
interface Placed {
  readonly conversation: string
  readonly at: number
}

/** Orders a list. */
export const byNewest = (a: Placed, b: Placed): number =>
  b.at - a.at || (a.conversation < b.conversation ? 1 : a.conversation > b.conversation ? -1 : 0)

/** The page of a list in which nothing happened since the inbox's own entries. */
export function pageOfListed({ conversations, times, before, limit }: Omit<NewestQuery, 'user'>): ActivityRow[] {
  const rows = conversations.map((conversation, place) => ({
    conversation,
    at: times[place] ?? 0,
    activity: undefined,
  }))
  return pageOf(rows, before, limit)
}

/** The newest `limit` rows before a place. */
export function pageOf(
  rows: readonly ActivityRow[],
  before: readonly [at: number, id: string] | undefined,
  limit: number,
): ActivityRow[] {
  const [at, conversation] = before ?? [Infinity, '']
  const page: ActivityRow[] = []
  for (const row of rows) {
    const last = page.length < limit ? undefined : page.at(-1)
    const isOnPage = last === undefined ? limit > 0 : byNewest(row, last) < 0
    if (!isOnPage || byNewest({ at, conversation }, row) >= 0) continue
    if (last !== undefined) page.pop()
    page.splice(placeOf(page, row), 0, row)
  }
  return page
}

/** Where a row goes in a sorted page. */
function placeOf(page: readonly ActivityRow[], row: ActivityRow): number {
  let low = 0
  let high = page.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = page[middle]
    if (other !== undefined && byNewest(other, row) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** An activity for one user: without the states of others. */
export const withStatesOf = (activity: ConversationActivity, user: string | undefined): ConversationActivity =>
  user === undefined ? activity : { ...activity, states: activity.states.filter((state) => state.user === user) }
