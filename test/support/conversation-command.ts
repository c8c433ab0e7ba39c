import type { Actor } from '../../src/conversations/types.ts'

/** A command of a conversation as a gateway sends it. */
export const commandBy = (
  name: string,
  { user = '', client = '', server = false }: Partial<Actor>,
  input: object = {},
) => ({
  user,
  client,
  server,
  kind: 'command' as const,
  name,
  input,
})
