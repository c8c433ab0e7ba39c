import { z } from 'zod'

const entry = z.object({
  type: z.string(),
  user: z.string().default(''),
  at: z.number(),
  member: z.string().default(''),
  frozen: z.boolean().optional(),
  slowModeSeconds: z.number().nullable().optional(),
})

/** What a log breaks of the settings that it names itself: freezes, slow mode and bans. `moderator` ignores the first two, as the server does. */
export function brokenSettings(texts: readonly string[], moderator: string): string[] {
  const broken: string[] = []
  const last = new Map<string, number>()
  const banned = new Set<string>()
  let isFrozen = false
  let slowMs = 0
  for (const [index, text] of texts.entries()) {
    const { type, user, at, member, frozen, slowModeSeconds } = entry.parse(JSON.parse(text))
    if (frozen !== undefined) isFrozen = frozen
    if (slowModeSeconds !== undefined) slowMs = 1000 * (slowModeSeconds ?? 0)
    if (type === 'member.banned') banned.add(member)
    if (type === 'member.unbanned') banned.delete(member)
    if (type === 'member.joined' && banned.has(member)) broken.push(`entry ${index + 1} adds ${member}, who is banned`)
    if (type !== 'message') continue
    const before = last.get(user)
    last.set(user, at)
    if (user === moderator || user === '') continue
    if (isFrozen) broken.push(`entry ${index + 1} of ${user} is in a frozen conversation`)
    if (before !== undefined && at >= before && at - before < slowMs)
      broken.push(`entry ${index + 1} of ${user} follows its last after ${at - before} ms of ${slowMs}`)
  }
  return broken
}
