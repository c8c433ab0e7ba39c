import { z } from 'zod'
import { encodeWith } from '../kernel/json.ts'
import { defineEntry, type EntryOf } from '../protocol/entry-kind.ts'
import { rightsOf } from './rights.ts'
import { type AppliedCommands, type ConversationState, record, save, toRow } from './state.ts'
import type { Actor, Conversation, Grid } from './types.ts'

/** The conversation has another name. */
export const conversationRenamed = defineEntry('conversation.renamed', { name: z.string() })

/** Properties of the conversation have changed; null where one was removed. */
export const conversationUpdated = defineEntry('conversation.updated', {
  topic: z.string().nullable().optional(),
  avatar: z.string().nullable().optional().describe('The address of a picture'),
  properties: z.unknown().optional().describe('Custom properties: an object of your own, or null'),
  frozen: z.boolean().optional(),
  slowModeSeconds: z.int().nullable().optional().describe('Seconds between two messages of a member'),
  rights: z
    .record(z.string(), z.array(z.string()))
    .nullable()
    .optional()
    .describe('The rights of roles that are not as by default'),
})

/** What is to change; null removes. `properties` is JSON text. */
export interface ConversationChange {
  readonly name?: string | undefined
  readonly topic?: string | null | undefined
  readonly avatar?: string | null | undefined
  readonly properties?: string | null | undefined
  readonly frozen?: boolean | undefined
  readonly slowModeSeconds?: number | null | undefined
  readonly grid?: Grid | null | undefined
}

/**
 * Changes the conversation, with an entry for the name and one for all else that is not so already. The caller has asked for the
 * rights.
 */
export function changeConversation(
  state: ConversationState,
  actor: Actor,
  wanted: ConversationChange,
  applied: AppliedCommands,
): void {
  const { name } = wanted
  const before = state.conversation
  const { properties, grid, ...shown } = changesOf(before, wanted)
  const isUpdated = properties !== undefined || grid !== undefined || Object.keys(shown).length > 0
  if (name === undefined && !isUpdated) return
  const after = { ...before, ...(name === undefined ? {} : { name }), ...stored({ properties, grid, ...shown }) }
  save(state, { ...after, rights: rightsOf(after) })
  const common = { user: actor.user, at: state.now }
  const append = (entry: EntryOf<typeof conversationRenamed> | EntryOf<typeof conversationUpdated>, text?: string) => {
    const row = toRow(state.log.top() + 1, actor, entry)
    record(state, text === undefined ? row : { ...row, data: encodeWith(entry, { properties: text }) }, applied)
  }
  if (name !== undefined) append({ type: 'conversation.renamed', ...common, name })
  if (!isUpdated) return
  const rights = grid === undefined ? {} : { rights: grid }
  append({ type: 'conversation.updated', ...common, ...shown, ...rights }, properties === null ? 'null' : properties)
}

/** What of `wanted`, beside the name, is not so already. */
function changesOf(before: Conversation, wanted: ConversationChange): ConversationChange {
  const { topic, avatar, properties, frozen, slowModeSeconds, grid } = wanted
  const isOther = (value: unknown, known: unknown) =>
    value !== undefined && JSON.stringify(value) !== JSON.stringify(known)
  return {
    ...(isOther(topic, before.topic ?? null) ? { topic } : {}),
    ...(isOther(avatar, before.avatar ?? null) ? { avatar } : {}),
    ...(isOther(properties, before.properties ?? null) ? { properties } : {}),
    ...(isOther(frozen, before.frozen ?? false) ? { frozen } : {}),
    ...(isOther(slowModeSeconds, before.slowModeSeconds ?? null) ? { slowModeSeconds } : {}),
    ...(isOther(grid, before.grid ?? null) ? { grid } : {}),
  }
}

/** The changes as the conversation stores them: what was removed is undefined. */
function stored({
  topic,
  avatar,
  properties,
  frozen,
  slowModeSeconds,
  grid,
}: ConversationChange): Partial<Conversation> {
  return {
    ...(topic === undefined ? {} : { topic: topic ?? undefined }),
    ...(avatar === undefined ? {} : { avatar: avatar ?? undefined }),
    ...(properties === undefined ? {} : { properties: properties ?? undefined }),
    ...(frozen === undefined ? {} : { frozen: frozen ? true : undefined }),
    ...(slowModeSeconds === undefined ? {} : { slowModeSeconds: slowModeSeconds ?? undefined }),
    ...(grid === undefined ? {} : { grid: grid ?? undefined }),
  }
}
