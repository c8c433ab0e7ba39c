import { z } from 'zod'

/** What a role may allow in a conversation, by name; `src/conversations/rights.ts` says what each is. */
export const rightNames = [
  'send',
  'react',
  'pin',
  'deleteAny',
  'update',
  'addMembers',
  'removeMembers',
  'setRoles',
  'delete',
  'moderate',
  'ignoreFreeze',
  'ignoreSlowMode',
] as const

export type Right = (typeof rightNames)[number]

/** The name of a role: one that every conversation has, or one of a grid. */
export const roleName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'lower-case letters, digits and "-", at most 32')

/** Roles with their rights. */
export const conversationRights = z
  .record(roleName, z.array(z.enum(rightNames)).max(rightNames.length))
  .refine((roles) => Object.keys(roles).length <= 25, 'at most 25 roles')

/** The rights of roles in new conversations, by the type of the conversation. */
export const rightsByType = z.strictObject({
  direct: conversationRights.optional(),
  group: conversationRights.optional(),
  channel: conversationRights.optional(),
})
