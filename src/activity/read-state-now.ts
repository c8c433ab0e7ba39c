import { isNewer, type ConversationActivity, type ReadState } from '../events/activity.ts'

/**
 * A user's state as of the conversation's newest entry: an older state of theirs, and what the activity says happened
 * since. The counts are those of a recount at that entry. Undefined when the activity does not reach back far enough, or
 * says that the user left since; only the conversation knows the state then, and whether there is one.
 */
export function readStateNow(activity: ConversationActivity, user: string, known: ReadState): ReadState | undefined {
  const reported = activity.states.findLast((state) => state.user === user)
  if (activity.changes.some((change) => change.kind === 'left' && change.user === user && change.seq > known.last))
    return undefined
  const isReported = reported !== undefined && isNewer(reported, known)
  const { last, number, read, unread, mentions } = isReported ? reported : known
  if (last >= activity.last) return { last, number, read, unread, mentions }
  if (activity.changesAfter > last || (!isReported && activity.statesAfter > last)) return undefined

  const changes = activity.changes.filter(({ seq }) => seq > last)
  const deleted = changes.filter((change) => change.kind === 'deleted' && change.ref > read)
  const deletedMentions = deleted.filter((change) => change.kind === 'deleted' && change.everyone).length
  const added = changes.filter(({ kind }) => kind === 'mention').length
  return {
    last: activity.last,
    number: activity.number,
    read,
    unread: unread + activity.number - number - deleted.length,
    mentions: mentions + added - deletedMentions,
  }
}

/**
 * The state of a user whose inbox has an entry with their cursor at `read`, and perhaps their state. Undefined also where the
 * activity is older than the entry.
 */
export function listedStateNow(
  activity: ConversationActivity,
  user: string,
  entry: { readonly last: number; readonly read: number; readonly state?: ReadState | undefined },
): ReadState | undefined {
  const known = entry.state ?? activity.states.findLast((state) => state.user === user)
  if (known === undefined) return undefined
  const now = readStateNow(activity, user, known)
  return now === undefined || now.last < entry.last || now.read < entry.read ? undefined : now
}
