/**
 * How long a topic with history keeps its epoch and its counter after its last entry expired and its last subscriber
 * left.
 */
export const epochKeptMs = 30 * 86_400_000
/** How long a topic without history outlives its last subscriber. */
const lingerMs = 60_000
/** Entries of one topic expire together when they can: an alarm is a write. */
const leastPauseMs = 1000

/** The state of a topic when its alarm fires. Times in milliseconds since the epoch. */
export interface TopicActivity {
  readonly now: number
  /** When the oldest thing it holds expires; undefined when it holds nothing. */
  readonly expiresAt: number | undefined
  readonly hasSubscribers: boolean
  readonly keepsHistory: boolean
  /** Since when it has neither entries nor listeners. */
  readonly idleSince: number
}

/** What to do next: set another alarm, wait for a call, or delete the topic as if it had never existed. */
export type RetentionStep =
  | { readonly kind: 'again'; readonly at: number }
  | { readonly kind: 'rest' }
  | { readonly kind: 'forget' }

/** Decides what an alarm does after it dropped what has expired. */
export function decideRetention({
  now,
  expiresAt,
  hasSubscribers,
  keepsHistory,
  idleSince,
}: TopicActivity): RetentionStep {
  if (expiresAt !== undefined) return { kind: 'again', at: Math.max(expiresAt, now + leastPauseMs) }
  if (hasSubscribers) return { kind: 'rest' }
  const until = idleSince + (keepsHistory ? epochKeptMs : lingerMs)
  return until <= now ? { kind: 'forget' } : { kind: 'again', at: until }
}
