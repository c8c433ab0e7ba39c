import { z } from 'zod'
import { sizes } from './limits.ts'
import { notificationName } from './feed-api.ts'
import { conversationId, userId } from './payloads.ts'
import { preferences } from './preferences-api.ts'
import { target, user } from './users-api.ts'

/** Lines in one request. */
export const maxImportLines = 1000

const time = z.int().nonnegative()
const storedTarget = target.extend({ channel: z.enum(['in-app', 'email', 'push', 'sms', 'chat', 'webhook']) })
const profile = user.extend({ targets: z.array(storedTarget) })
const place = z.int().nonnegative()

/** Lines of an export that can be put back, by their types. Others are skipped; so are fields that are not named here. */
export const importedLines = {
  user: z.object({ user: userId, profile }),
  preferences: z.object({ user: userId, preferences }),
  subscription: z.object({ user: userId, topic: notificationName }),
  conversation: z.object({
    conversation: conversationId,
    properties: z.object({
      type: z.enum(['direct', 'group', 'channel']),
      name: z.string().max(sizes.nameLength),
      createdBy: userId.or(z.literal('')),
      createdAt: time,
      members: z.tuple([userId, userId]).optional(),
      deletedAt: time.optional(),
    }),
  }),
  member: z.object({
    conversation: conversationId,
    member: z.object({
      user: userId,
      role: z.enum(['owner', 'admin', 'member']),
      joinedAt: time,
      read: place,
      joined: place,
    }),
  }),
  entry: z.object({
    conversation: conversationId,
    seq: z.int().positive(),
    at: time,
    user: userId.or(z.literal('')),
    clientId: z.string().min(1).max(sizes.clientIdLength).nullable(),
    entry: z.looseObject({ type: z.string(), user: z.string().optional(), at: z.int() }),
  }),
} as const
export type ImportedLine = {
  [T in keyof typeof importedLines]: { readonly type: T } & z.output<(typeof importedLines)[T]>
}[keyof typeof importedLines]

/** What every line has. */
export const anyLine = z.looseObject({ type: z.string(), version: z.literal(1, 'lines of version 1 can be imported') })

/** `POST /v1/import`. */
export const importAnswer = z
  .object({
    lines: z.int().describe('Lines that were read, from the first one on'),
    imported: z.int(),
    repeated: z.int().describe('Lines whose content was there already'),
    skipped: z.int().describe('Lines of types that are not imported'),
    renamed: z
      .record(z.string(), z.string())
      .describe('Direct conversations that have another id here, by their ids in the lines: use it in later requests'),
    refused: z
      .object({ line: z.int().describe('Counted from 1'), reason: z.string() })
      .nullable()
      .describe('The line that was not taken and ended the request; what came before it stays'),
  })
  .meta({ id: 'ImportAnswer' })

/** The body as documentation shows it. */
export const importBody = z.string().describe('Lines of an export, one JSON object a line, at most 1,000')
