import { z } from 'zod'
import { isPlainText } from '../kernel/text.ts'
import { banChange } from './api.ts'
import { conversationId, userId } from './payloads.ts'

/** Characters of what a reporter adds, of a moderator's note, and of what a review keeps of a message. */
export const noteLength = 500
export const shownLength = 2000

const time = z.int().describe('Milliseconds since the epoch')
const note = z.string().trim().min(1).max(noteLength).refine(isPlainText, 'must be well-formed Unicode')
const moderator = userId.optional().describe('Your moderator, for the log; your server may leave it out')
const limit = z.coerce.number().int().min(1).max(100).default(50)
const numberCursor = z
  .string()
  .regex(/^\d{1,15}$/, 'not a cursor of this list; give `next` of the page before')
  .optional()

/** `PUT /v1/users/{user}/ban`. */
export const tenantBanChange = banChange.extend({ moderator })
/** A user that is banned from the tenant. */
export const tenantBan = z
  .object({
    user: z.string(),
    until: z.int().nullable().describe('Milliseconds since the epoch; null for a ban without an end'),
    reason: z.string().nullable(),
    moderator: z.string().nullable(),
    at: time,
  })
  .meta({ id: 'TenantBan' })
export type TenantBan = z.output<typeof tenantBan>
export const tenantBansQuery = z.strictObject({ cursor: z.string().max(200).default(''), limit })
export const tenantBanPage = z.object({ bans: z.array(tenantBan), next: z.string().nullable() })

/** A user that another one blocks. */
export const blockView = z.object({ user: z.string(), at: time }).meta({ id: 'Block' })
export const blockList = z.object({ blocks: z.array(blockView) })

export const reportReasons = [
  'spam',
  'harassment',
  'hate',
  'sexual',
  'violence',
  'self-harm',
  'illegal',
  'other',
] as const

/** `POST /v1/reports`. `reporter` is for API keys only. */
export const newReport = z
  .strictObject({
    conversation: conversationId.optional(),
    seq: z.int().positive().optional().describe('The message, by its seq in the conversation'),
    user: userId.optional().describe('The user, where no message is reported'),
    reason: z.enum(reportReasons),
    text: note.optional().describe('What the reporter adds'),
    reporter: userId.optional().describe('The user that reports; an API key must name them'),
  })
  .refine(
    ({ conversation, seq, user }) =>
      user === undefined
        ? conversation !== undefined && seq !== undefined
        : conversation === undefined && seq === undefined,
    'give conversation and seq of a message, or user',
  )
/** What users give, or `rule` where a content rule flagged the message. */
const reviewReasons = [...reportReasons, 'rule'] as const
export type ReportReason = (typeof reviewReasons)[number]

export const reviewStates = ['open', 'dismissed', 'resolved'] as const
export type ReviewState = (typeof reviewStates)[number]

export const decisionActions = ['dismiss', 'delete-message', 'ban-user', 'ban-from-conversation', 'resolve'] as const
export type DecisionAction = (typeof decisionActions)[number]

const target = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('message'),
    conversation: z.string(),
    seq: z.int(),
    user: z.string().describe('Its author; empty for your server'),
    text: z.string().describe(`At most ${shownLength} characters, as the message was when it was reported first`),
    at: time,
  }),
  z.object({ kind: z.literal('user'), user: z.string() }),
])
export type ReviewTarget = z.output<typeof target>

const decision = z.object({
  action: z.enum(decisionActions),
  moderator: z.string().nullable(),
  note: z.string().nullable(),
  at: time,
})

/** What is reported, with what was decided about it. */
export const reviewView = z
  .object({
    id: z.string(),
    state: z.enum(reviewStates),
    target,
    reports: z.int().describe('How many users reported it'),
    reasons: z.partialRecord(z.enum(reviewReasons), z.int()).describe('How many of them gave which reason'),
    firstAt: time,
    lastAt: time,
    decision: decision.nullable(),
  })
  .meta({ id: 'Review' })
export type ReviewView = z.output<typeof reviewView>

/** One report. */
export const reportView = z.object({
  reporter: z.string().describe('Empty where a content rule flagged the message, which `text` names'),
  reason: z.enum(reviewReasons),
  text: z.string().nullable(),
  at: time,
})
export type ReportView = z.output<typeof reportView>

export const reviewWithReports = z.object({
  review: reviewView,
  reports: z.array(reportView).describe('The first 100'),
})
export const reviewsQuery = z.strictObject({ state: z.enum(reviewStates).default('open'), cursor: numberCursor, limit })
export const reviewPage = z.object({ reviews: z.array(reviewView), next: z.string().nullable() })
export const reviewId = z.string().regex(/^[\w-]{1,43}$/, 'not the id of a review')

/** The answer to a report. Reporters see nothing of the review but its id. */
export const reportAnswer = z.object({ review: z.string(), duplicate: z.boolean() })

/** `POST /v1/reviews/{id}/decision`. */
export const newDecision = z.strictObject({
  action: z.enum(decisionActions),
  until: z.int().positive().optional().describe('The end of a ban in milliseconds since the epoch; left out for none'),
  moderator,
  note: note.optional(),
})

export const moderationActions = ['user.banned', 'user.unbanned', 'review.decided'] as const

/** What a moderator or your server did. */
export const moderationAct = z
  .object({
    id: z.string(),
    at: time,
    action: z.enum(moderationActions),
    key: z.string().describe('The id of the API key'),
    moderator: z.string().nullable(),
    user: z.string().nullable().describe('The user it was about'),
    review: z.string().nullable(),
    decision: z.enum(decisionActions).nullable(),
    until: z.int().nullable(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'ModerationAct' })
export type ModerationAct = z.output<typeof moderationAct>
export const moderationLogQuery = z.strictObject({ cursor: numberCursor, limit })
export const moderationLog = z.object({ acts: z.array(moderationAct), next: z.string().nullable() })

/** The data of the event `report.created`. It names no user, since events are kept for 14 days. */
export const reportCreated = z.object({
  review: z.string().describe('Its id; GET /v1/reviews/{id} has the rest'),
  kind: z.enum(['message', 'user']),
  conversation: z.string().optional(),
  seq: z.int().optional(),
  reason: z.enum(reportReasons),
  reports: z.int(),
  at: time,
})
