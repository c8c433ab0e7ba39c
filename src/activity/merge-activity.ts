import {
  isNewer,
  activityChanges,
  activityStates,
  type ConversationActivity,
  type CountChange,
  type UserReadState,
} from '../events/activity.ts'

/**
 * Adds what a conversation reports to what is known of it. `update` covers the entries after `update.statesAfter`. Repeats and
 * late updates change nothing; one that leaves out entries is complete only for the entries it covers. Of the states the
 * newest `maxStates` are kept.
 */
export function mergeActivity(
  known: ConversationActivity | undefined,
  update: ConversationActivity,
  maxStates = activityStates,
): ConversationActivity {
  if (known === undefined) return bounded(update, maxStates)
  if (update.epoch !== known.epoch) return update.version > known.version ? bounded(update, maxStates) : known
  const later = update.last >= known.last ? update : known
  const { name, members, memberCount, version } = update.version >= known.version ? update : known
  const isGap = update.statesAfter > known.last || update.changesAfter > known.last
  if (isGap) return bounded({ ...update, name, members, memberCount, version }, maxStates)
  const merged = {
    ...later,
    name,
    members,
    memberCount,
    version,
    states: mergeStates(known.states, update.states),
    statesAfter: known.statesAfter,
    changes: mergeChanges(known.changes, update.changes),
    changesAfter: known.changesAfter,
  }
  return bounded(merged, maxStates)
}

function mergeStates(known: readonly UserReadState[], update: readonly UserReadState[]): UserReadState[] {
  const byUser = new Map<string, UserReadState>()
  for (const state of [...known, ...update]) {
    const other = byUser.get(state.user)
    if (other === undefined || isNewer(state, other)) byUser.set(state.user, state)
  }
  return [...byUser.values()].sort((a, b) => a.last - b.last)
}

function mergeChanges(known: readonly CountChange[], update: readonly CountChange[]): CountChange[] {
  const newest = known.at(-1)?.seq ?? 0
  return [...known, ...update.filter(({ seq }) => seq > newest)]
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
