import type { ConversationActivity } from '../events/activity.ts'
import { shownWithout, type ErasedUser } from '../events/erased-user.ts'

/** Where a conversation stands, without an erased user; undefined when the user is not in it. */
export function activityWithout(activity: ConversationActivity, erased: ErasedUser): ConversationActivity | undefined {
  const { user } = erased
  const shown = shownWithout(activity, erased)
  const states = activity.states.filter((state) => state.user !== user)
  const changes = activity.changes.map((change) =>
    change.kind === 'left' && change.user === user ? { ...change, user: erased.pseudonym } : change,
  )
  const hasState = states.length < activity.states.length
  const hasLeft = changes.some((change, place) => change !== activity.changes[place])
  return shown === undefined && !hasState && !hasLeft ? undefined : { ...(shown ?? activity), states, changes }
}
