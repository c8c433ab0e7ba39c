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
