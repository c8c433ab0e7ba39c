import { z } from 'zod'

/**
 * Stands in the place of the time of the last revocation while a user is banned: later than any token is issued, and earlier than that of
 * an erased user.
 */
export const bannedMark = 8_000_000_000_000_000

/** The end of a ban without an end, in milliseconds since the epoch: the latest time that there is. */
export const withoutEnd = 8_640_000_000_000_000

/** Users that one user blocks. */
export const maxBlocks = 1000

/** A blocked user, and since when. */
export interface Block {
  readonly user: string
  readonly at: number
}

const storedBlocks = z.array(z.object({ user: z.string(), at: z.number() }))

/** The users that a user blocks, the newest last. */
export const blocksIn = (text: string | undefined): readonly Block[] =>
  text === undefined ? [] : storedBlocks.parse(JSON.parse(text))
