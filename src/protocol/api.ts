import { uploadSettings } from './uploads-api.ts'
import { z } from 'zod'
import { capabilities } from './capabilities.ts'
import { parseChannel } from './channels.ts'
import { jsonUpTo } from './given-json.ts'
import { isPlainText } from '../kernel/text.ts'
import { rightsByType, roleName } from './rights.ts'
import {
  avatar,
  conversationId,
  conversationName,
  conversationTopic,
  customProperties,
  deliverAt,
  displayName,
  editContent,
  messageContent,
  userId,
} from './payloads.ts'
import { infoBytes, sizes } from './limits.ts'
import { jurisdiction, regionHint } from './places.ts'
import { maxOrigins, originPattern } from './origins.ts'
import { whenField, without } from './json-schema-rules.ts'
import { ownLimits, planName } from './tenant-limits.ts'

const ttlSeconds = z
  .int()
  .min(1)
  .max(30 * 86_400)
  .default(3600)

/** "" stands for an anonymous user, where the tenant allows them. */
const userOrAnonymous = z.union([z.literal(''), userId])
const info = jsonUpTo(infoBytes)
const topicChannel = z.string().refine((name) => parseChannel(name)?.kind === 'topic', 'not the name of a topic')

/** `POST /v1/tokens`. */
export const newToken = z.strictObject({
  user: userOrAnonymous,
  ttlSeconds,
  /** What the user may do in topics. */
  capabilities: capabilities.optional(),
  /** What others see of the user's connection. */
  info: info.optional(),
  /** Topics that the server subscribes the user's connections to. */
  channels: z.array(topicChannel).max(64).optional(),
})

/** `POST /v1/tokens/subscription`. */
export const newSubscriptionToken = z.strictObject({
  user: userOrAnonymous,
  channel: topicChannel,
  ttlSeconds,
  info: info.optional(),
  /** Whether the subscription outlives the token. */
  lasting: z.boolean().default(false),
})

/** `PATCH /v1/settings`. */
export const newSettings = z.strictObject({
  /** Whether tokens without a user may connect. */
  anonymous: z.boolean().optional(),
  /** Origins whose pages may use the tenant, over HTTP and for connections; null for any. */
  origins: z.array(originPattern).max(maxOrigins).nullable().optional(),
  /** Rights of roles in conversations that are created from now on; replaces what was given before, null restores the default. */
  rights: rightsByType.nullable().optional(),
  /** What files may be uploaded; replaces what was given before, null restores the default. */
  uploads: uploadSettings.nullable().optional(),
})
export type SettingsChange = z.output<typeof newSettings>

/** `POST /v1/conversations`. A direct conversation of the same two users is the same one. */
export const newConversation = z
  .strictObject({
    /** Its id, for API keys only; without it one is made. The same request with the same id again is the same conversation. */
    id: conversationId.optional(),
    type: z.enum(['direct', 'group', 'channel']),
    members: z.array(userId).max(sizes.members).default([]),
    name: conversationName.optional(),
    topic: conversationTopic.optional(),
    avatar: avatar.optional(),
    properties: customProperties.optional(),
  })
  .refine(({ type, name }) => type !== 'direct' || name === undefined, 'name: a direct conversation has none')
  .refine(
    ({ type, id }) => type !== 'direct' || id === undefined,
    'id: a direct conversation has that of its two people',
  )
  .meta({
    allOf: [
      whenField('type', 'direct', {
        ...without('name', 'id'),
        required: ['members'],
        properties: {
          members: {
            minItems: 1,
            maxItems: 2,
            description: 'Exactly two people: an API key names both, a user the other one',
          },
        },
      }),
    ],
  })

/** `POST /v1/conversations/:id/read`: the user has seen everything up to `seq`. `user` is for API keys only, which must name one. */
export const newRead = z.strictObject({ seq: z.int().nonnegative(), user: userId.optional() })

/** The `Idempotency-Key` header. */
export const idempotencyKey = z.string().regex(/^[\x21-\x7e]{1,255}$/, 'printable ASCII without spaces, at most 255')

/** `PATCH /v1/conversations/:id`: at least one field; null removes. */
export const conversationChange = z.strictObject({
  name: conversationName.optional(),
  topic: conversationTopic.nullable().optional(),
  avatar: avatar.nullable().optional(),
  properties: customProperties.optional().describe('Custom properties: replaces all of them; null removes them'),
  frozen: z.boolean().optional().describe('Whether only roles with the right `ignoreFreeze` may write'),
  slowModeSeconds: z
    .int()
    .min(1)
    .max(21_600)
    .nullable()
    .optional()
    .describe('Seconds between two messages of a member; null ends slow mode'),
})

/** `PUT /v1/conversations/:id/bans/:user`. */
export const banChange = z.strictObject({
  until: z.int().positive().optional().describe('Milliseconds since the epoch; left out for a ban without an end'),
  reason: z.string().trim().min(1).max(500).refine(isPlainText, 'must be well-formed Unicode').optional(),
})

/** `POST /v1/conversations/:id/members`. */
export const newMembers = z.strictObject({ members: z.array(userId).min(1).max(1000) })

/** `PATCH /v1/conversations/:id/members/:user`. */
export const memberChange = z.strictObject({ role: roleName })

/** `POST /v1/conversations/:id/messages`. `user` speaks for a member and is for API keys only. */
export const newMessage = messageContent.extend({ user: userId.optional(), deliverAt: deliverAt.optional() })

/** `PATCH /v1/conversations/:id/messages/:seq`. */
export const messageChange = editContent

const limit = z.coerce.number().int().min(1).max(100).default(50)

/** Query of the conversation list. `user` is for API keys only. */
export const listQuery = z.strictObject({ cursor: z.string().max(200).optional(), limit, user: userId.optional() })

/** Query of the members list. */
export const membersQuery = z.strictObject({ cursor: z.string().max(200).default(''), limit })

/** Query of a page of messages: before or after a seq, newest first. */
export const messagesQuery = z
  .strictObject({
    before: z.coerce.number().int().min(1).optional(),
    after: z.coerce.number().int().min(0).optional(),
    limit,
  })
  .refine(({ before, after }) => before === undefined || after === undefined, 'before, after: give one of them')

/** A message's place in a path. */
export const seqParam = z.coerce.number().int().min(1)

/** Query of the operator's tenants, in the order of their ids. */
export const tenantsQuery = z.strictObject({ cursor: z.string().max(200).default(''), limit })

/** `PUT /admin/v1/tenants/:id`. */
export const newTenant = z.strictObject({
  name: displayName.max(200),
  plan: planName.optional(),
  limits: ownLimits.optional(),
  jurisdiction: jurisdiction
    .optional()
    .describe('Where its data is kept. It is the end of its id (`acme.eu`), and cannot change'),
  region: regionHint.optional().describe('Where its actors are created, and the shard that a new tenant prefers'),
})

/** `PATCH /admin/v1/tenants/:id`. */
export const tenantChange = z.strictObject({ state: z.enum(['active', 'suspended']) })

/** A token for a user. */
export const issuedToken = z
  .object({ token: z.string(), expiresAt: z.int().describe('Milliseconds since the epoch') })
  .meta({ id: 'Token' })

/** `POST /v1/users/:user/revoke`. */
export const revocation = z.object({ user: z.string(), revokedAt: z.int().describe('Milliseconds since the epoch') })

/** A tenant's settings; `origins` is `["*"]` until it is set. */
export const settings = z
  .object({
    anonymous: z.boolean(),
    origins: z.array(z.string()),
    rights: rightsByType.optional(),
    uploads: uploadSettings.optional(),
  })
  .meta({ id: 'Settings' })
