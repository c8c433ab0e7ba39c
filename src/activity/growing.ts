import { activityNumberOf, bucketOf } from '../events/activity.ts'

/** How many Activity actors a tenant may have. */
export const maxActivityActors = 64

/**
 * How long a new Activity actor passes everything on to its parent, in milliseconds: as long as a gateway or conversation of
 * the version before may run that knows fewer actors, and as long again.
 */
export const passOnMs = 2 * 3_600_000

/** The actor that had the buckets of this one when there were fewer actors. Actor 0 has none. */
export const parentOf = (number: number): number | undefined => (number === 0 ? undefined : number - highestBit(number))

/** Whether an actor, or one that has it as its parent, has this bucket, however many actors there are. */
export const hasBucket = (number: number, bucket: number): boolean =>
  number === 0 || activityNumberOf(bucket, 2 * highestBit(number)) === number

/** Whether it has the conversation's bucket. */
export const hasConversation = (number: number, conversation: string): boolean =>
  hasBucket(number, bucketOf(conversation))

const highestBit = (number: number): number => 2 ** (31 - Math.clz32(number))
