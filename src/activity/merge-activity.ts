import {
  isNewer,
  activityChanges,
  activityStates,
  type ConversationActivity,
  type CountChange,
  type UserReadState,
} from '../events/activity.ts'

/**
 * Adds what a conversation tells to what is known of it. `news` covers the entries after `news.statesAfter`. Repeats and
 * late news change nothing; news that leaves out entries is complete only for the entries it covers. Of the states the
 * newest `maxStates` are kept.
 */
export function mergeActivity(
  known: ConversationActivity | undefined,
  news: ConversationActivity,
  maxStates = activityStates,
): ConversationActivity {
  if (known === undefined) return bounded(news, maxStates)
  if (news.epoch !== known.epoch) return news.version > known.version ? bounded(news, maxStates) : known
  const later = news.last >= known.last ? news : known
  const { name, members, memberCount, version } = news.version >= known.version ? news : known
  const isGap = news.statesAfter > known.last || news.changesAfter > known.last
  if (isGap) return bounded({ ...news, name, members, memberCount, version }, maxStates)
  const merged = {
    ...later,
    name,
    members,
    memberCount,
    version,
    states: mergeStates(known.states, news.states),
    statesAfter: known.statesAfter,
    changes: mergeChanges(known.changes, news.changes),
    changesAfter: known.changesAfter,
  }
  return bounded(merged, maxStates)
}

function mergeStates(known: readonly UserReadState[], news: readonly UserReadState[]): UserReadState[] {
  const byUser = new Map<string, UserReadState>()
  for (const state of [...known, ...news]) {
    const other = byUser.get(state.user)
    if (other === undefined || isNewer(state, other)) byUser.set(state.user, state)
  }
  return [...byUser.values()].sort((a, b) => a.last - b.last)
}

function mergeChanges(known: readonly CountChange[], news: readonly CountChange[]): CountChange[] {
  const newest = known.at(-1)?.seq ?? 0
  return [...known, ...news.filter(({ seq }) => seq > newest)]
}

/** Drops the oldest states and changes of an activity that holds too many, and says how far back it reaches then. */
function bounded(activity: ConversationActivity, maxStates: number): ConversationActivity {
  const states = activity.states.slice(-maxStates)
  const changes = activity.changes.slice(-activityChanges)
  const droppedState = activity.states.at(-maxStates - 1)
  const droppedChange = activity.changes.at(-activityChanges - 1)
  return {
    ...activity,
    states,
    // A user may have moved the cursor since the dropped state without a further entry, so equal is not far enough.
    statesAfter:
      droppedState === undefined ? activity.statesAfter : Math.max(activity.statesAfter, droppedState.last + 1),
    changes,
    changesAfter:
      droppedChange === undefined ? activity.changesAfter : Math.max(activity.changesAfter, droppedChange.seq),
  }
}
