import type { Bucket } from './bucket.ts'

/** How far ahead the durable note runs, so that a busy key writes once in this time and not once a lease. */
const slackMs = 10_000

/**
 * A bucket survives the loss of memory by a note that is never early: "it is full at the latest at `horizon`".
 * Returns the note to write before granting, or undefined while the last one still covers the bucket.
 * Waking up with the note's time as `fullAt` can only be too strict, never too generous.
 */
export function horizonToWrite(noted: number, bucket: Bucket, now: number): number | undefined {
  if (bucket.fullAt <= noted) return undefined
  return bucket.fullAt + Math.min(slackMs, Math.max(0, bucket.fullAt - now))
}
