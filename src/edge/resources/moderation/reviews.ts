import { z } from 'zod'
import { conversationOf, tenantOf } from '../../../../durable-objects/address.ts'
import { callModeration } from '../../../../durable-objects/open-moderation.ts'
import { callEventLog } from '../../../../durable-objects/open-event-actors.ts'
import { banMember } from '../../../conversations/commands/ban-member.ts'
import { deleteMessage } from '../../../conversations/commands/delete-message.ts'
import type { Env } from '../../../env.ts'
import { reportCreatedEvent } from '../../../events/own-events.ts'
import { ownTopic } from '../../../events/own-topic.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { refuseDecision } from '../../../moderation/review.ts'
import {
  newDecision,
  newReport,
  reportAnswer,
  reviewId,
  reviewPage,
  reviewsQuery,
  reviewView,
  reviewWithReports,
  type DecisionAction,
  type ReviewTarget,
} from '../../../protocol/moderation-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import type { AppContext } from '../../http/context.ts'
import { actorOf, type Caller } from '../conversations/caller.ts'
import { entryAt } from '../conversations/read-messages.ts'
import { banFromTenant, keyOf, type By } from './bans.ts'

const tag = 'Moderation'
const access = 'server'
const params = z.object({ id: reviewId })

const exampleReview = {
  id: 'Zk3v9QwLr2aB7yTn',
  state: 'open',
  target: {
    kind: 'message',
    conversation: '0198c7f0-0000-7000-8000-000000000000',
    seq: 12,
    user: 'bob',
    text: 'Buy now!',
    at: 1_780_000_000_000,
  },
  reports: 1,
  reasons: { spam: 1 },
  firstAt: 1_780_000_100_000,
  lastAt: 1_780_000_100_000,
  decision: null,
} as const

const message = z.object({
  type: z.literal('message'),
  user: z.string(),
  at: z.number(),
  text: z.string(),
  deleted: z.boolean().optional(),
})

/** The reporter: the user of the token, or the one that an API key names. */
function reporterOf(caller: Caller, reporter: string | undefined): string {
  if (caller.kind === 'server') return reporter ?? fail('invalid-request', 'reporter: an API key must name the user')
  if (reporter !== undefined && reporter !== caller.user)
    fail('not-allowed', 'reporter: only an API key may report for another user')
  return caller.user
}

const report = operation(
  defineOperation({
    id: 'reportContent',
    method: 'post',
    path: '/v1/reports',
    tag,
    summary: 'Report a message or a user',
    description:
      'Once for each reporter and message or user: a repeat is answered with `duplicate`. What is reported stays as it is until a review decides ' +
      'about it. At most 50 reports of one user in a day. Webhooks get `report.created`.',
    access: 'user-or-server',
    body: newReport,
    responses: { 200: reportAnswer },
    errors: ['not-found', 'conflict'],
    example: {
      body: { conversation: '0198c7f0-0000-7000-8000-000000000000', seq: 12, reason: 'spam' },
      response: { review: 'Zk3v9QwLr2aB7yTn', duplicate: false },
    },
  }),
  async ({ c, caller, body: { conversation, seq, user = '', reason, text = null, reporter: named } }) => {
    const reporter = reporterOf(caller, named)
    const target: ReviewTarget =
      conversation === undefined || seq === undefined
        ? { kind: 'user', user }
        : await reportedMessage(c, caller, conversation, seq)
    if (target.user === reporter) fail('invalid-request', 'users cannot report themselves')
    const noted = accepted(
      await callModeration(c.env, caller.tenant, (moderation) => moderation.report({ target, reporter, reason, text })),
    )
    const { review, number, duplicate } = noted
    await publish(c.env, caller.tenant, { target, review, reports: number, reason })
    return { status: 200, body: { review, duplicate } }
  },
)

/** The message as the caller may read it now. */
async function reportedMessage(
  c: AppContext,
  caller: Caller,
  conversation: string,
  seq: number,
): Promise<ReviewTarget> {
  const found = message.safeParse(JSON.parse(await entryAt(c, caller, conversation, seq)))
  if (!found.success || found.data.deleted === true) return fail('not-found', `seq: there is no message ${seq}`)
  const { user, at, text } = found.data
  return { kind: 'message', conversation, seq, user, text, at }
}

interface PublishedReport {
  readonly target: ReviewTarget
  readonly review: string
  readonly reports: number
  readonly reason: z.output<typeof newReport>['reason']
}

/** A repeat of the request publishes the same event, which the topic has once. */
async function publish(env: Env, tenant: string, { target, review, reports, reason }: PublishedReport): Promise<void> {
  if (!(await tenantOf(env, tenant).isPublished())) return
  const { kind } = target
  const place = kind === 'message' ? { conversation: target.conversation, seq: target.seq } : {}
  const event = reportCreatedEvent({ review, kind, ...place, reason, reports, at: systemClock.now() })
  accepted(await callEventLog(env, tenant, ownTopic, (log) => log.append([event], true)))
}

const listReviews = operation(
  defineOperation({
    id: 'listReviews',
    method: 'get',
    path: '/v1/reviews',
    tag,
    summary: 'List what was reported, the oldest first',
    description: 'Open reviews by default. Decided ones are kept for 180 days.',
    access,
    query: reviewsQuery,
    responses: { 200: reviewPage },
    example: { response: { reviews: [exampleReview], next: null } },
  }),
  async ({ c, caller, query: { state, cursor = '0', limit } }) => {
    const page = await callModeration(c.env, caller.tenant, (moderation) =>
      moderation.reviews(state, Number(cursor), limit),
    )
    return { status: 200, body: page }
  },
)

const readReview = operation(
  defineOperation({
    id: 'readReview',
    method: 'get',
    path: '/v1/reviews/{id}',
    tag,
    summary: 'Read a review with its reports',
    access,
    params,
    responses: { 200: reviewWithReports },
    example: {
      response: {
        review: exampleReview,
        reports: [{ reporter: 'alice', reason: 'spam', text: null, at: 1_780_000_100_000 }],
      },
    },
  }),
  async ({ c, caller, params: { id } }) => ({ status: 200, body: await existing(c.env, caller.tenant, id) }),
)

const decide = operation(
  defineOperation({
    id: 'decideReview',
    method: 'post',
    path: '/v1/reviews/{id}/decision',
    tag,
    summary: 'Decide a review, and do what that says',
    description:
      '`delete-message` deletes it for all, `ban-user` bans its author from the tenant, `ban-from-conversation` from the conversation; `resolve` says ' +
      'that you have acted by yourself. Each decision is in the log. A review is decided once: later decisions are a conflict.',
    access,
    params,
    body: newDecision,
    responses: { 200: reviewView },
    errors: ['conflict'],
    example: {
      body: { action: 'dismiss', moderator: 'mia' },
      response: {
        ...exampleReview,
        state: 'dismissed',
        decision: { action: 'dismiss', moderator: 'mia', note: null, at: 1_780_000_200_000 },
      },
    },
  }),
  async ({ c, caller, params: { id }, body: { action, until = null, moderator = null, note = null } }) => {
    const { tenant } = caller
    const { review } = await existing(c.env, tenant, id)
    const denied = refuseDecision(review, action)
    if (denied !== undefined) accepted(denied)
    const by = { key: keyOf(caller), moderator }
    await perform(c, caller, { target: review.target, action, until, note }, by)
    const decided = await callModeration(c.env, tenant, (moderation) =>
      moderation.decide(id, { action, until, moderator, note }, by.key),
    )
    return { status: 200, body: accepted(decided) }
  },
)

interface Act {
  readonly target: ReviewTarget
  readonly action: DecisionAction
  readonly until: number | null
  readonly note: string | null
}

/** Does what a decision says. Each of these may be repeated. */
async function perform(c: AppContext, caller: Caller, { target, action, until, note }: Act, by: By): Promise<void> {
  const { user } = target
  if (action === 'ban-user') return void (await banFromTenant(c.env, caller.tenant, { user, until, reason: note }, by))
  if (target.kind === 'user') return
  const { conversation, seq } = target
  if (action === 'delete-message') await command(c, caller, conversation, deleteMessage.name, { seq })
  const reason = note === null ? {} : { reason: note }
  const end = until === null ? {} : { until }
  if (action === 'ban-from-conversation')
    await command(c, caller, conversation, banMember.name, { user, ...end, ...reason })
}

async function command({ env }: AppContext, caller: Caller, conversation: string, name: string, input: object) {
  const commands = [{ ...actorOf(caller), kind: 'command' as const, name, input }]
  const call = { gateway: null, have: null, commands, request: env.request }
  const [result] = (await conversationOf(env, caller.tenant, conversation).execute(call)).results
  if (result !== undefined) accepted(result)
}

const existing = async (env: Env, tenant: string, id: string) =>
  (await callModeration(env, tenant, (moderation) => moderation.review(id))) ??
  fail('not-found', 'id: there is no such review')

/** Reports of users, and what is decided about them. */
export const reviews = [report, listReviews, readReview, decide]
