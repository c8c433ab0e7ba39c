import { refuse, type Refusal } from '../protocol/errors.ts'
import type { Actor, Conversation } from './types.ts'

/** Bans in force at once. */
export const maxBans = 500

/** Refuses a user that is banned now. */
export function refuseBanned({ bans }: Conversation, user: string, now: number): Refusal | undefined {
  const until = bans !== undefined && Object.hasOwn(bans, user) ? bans[user] : undefined
  if (until === undefined || (until !== null && until <= now)) return undefined
  const end = until === null ? '' : ` until ${new Date(until).toISOString()}`
  return refuse('banned', `${user} is banned from the conversation${end}; a moderator can end that`)
}

/** The bans that are in force now, with `user` banned until `until`, or not banned with undefined. */
export function bansWith(
  { bans = {} }: Conversation,
  user: string,
  until: number | null | undefined,
  now: number,
): Readonly<Record<string, number | null>> {
  const others = Object.entries(bans).filter(([other, end]) => other !== user && (end === null || end > now))
  return Object.fromEntries(until === undefined ? others : [...others, [user, until]])
}

/** Refuses an author that is no member. */
export const refuseWriter = ({ user, server }: Actor): Refusal =>
  refuse(
    'notAllowed',
    server
      ? `user: ${user} is not a member; add them, or leave user out to speak as the tenant itself`
      : 'only members may write in a channel',
  )
