import { z } from 'zod'
import { recipientActors, recipientsNumberOf } from '../../../../durable-objects/address.ts'
import type { NoticeView, NotificationView } from '../../../../durable-objects/notification-contracts.ts'
import {
  callAllNotifications,
  callAllRecipients,
  callNotifications,
  callRecipientsNumbered,
} from '../../../../durable-objects/open-recipients.ts'
import type { Env } from '../../../env.ts'
import { endOf, type RunWait } from '../../../notifications/runs/run.ts'
import { sumFigures } from '../../../notifications/metrics.ts'
import {
  acceptedNotification,
  canceledNotifications,
  cancelNotifications,
  documentedNotification,
  eventGiven,
  notification as notificationView,
  notificationEvent,
  notificationBodyBytes,
  notificationId,
  notificationPage,
  notificationsQuery,
  notificationStats,
  recipientLife,
  recipientPage,
  recipientsQuery,
} from '../../../protocol/notifications-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { userId } from '../../../protocol/payloads.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { readTrigger } from './trigger.ts'

const tag = 'Notifications'
const access = 'server'
const rateLimit = 'notifications'
const path = '/v1/notifications/{id}'
const params = z.object({ id: notificationId })

const example = {
  id: '0199c1f0-9d2e-7c3a-8f00-b3f1c6a52e11',
  at: 1_790_000_000_000,
  deliverAt: 1_790_000_000_000,
  state: 'sending',
  workflow: 'comment',
  version: 1,
  category: 'comments',
  actor: 'alice',
  priority: 'normal',
  cancellationKey: null,
  selection: 'users',
  recipients: 2,
  handedOut: 0,
  refused: 1,
  refusedRecipients: [{ index: 2, reason: 'email: not an e-mail address, such as ada@example.com' }],
} as const

const trigger = operation(
  defineOperation({
    id: 'sendNotification',
    method: 'post',
    path: '/v1/notifications',
    tag,
    summary: 'Notify users: by a workflow, or with content of this request',
    description:
      'Recipients are user ids, users with fields of their profiles (which are stored), a topic or everyone; up to 100,000 in one request. Those that are ' +
      'refused are listed, the others are notified. Answered when the notification is stored; what became of each recipient is at ' +
      '`/v1/notifications/{id}/recipients/{user}`. A repeat with the same `idempotencyKey` is answered with 200.',
    access,
    rateLimit,
    body: documentedNotification,
    rawBody: [],
    bodyBytes: notificationBodyBytes,
    responses: { 202: acceptedNotification, 200: acceptedNotification },
    errors: ['conflict', 'not-found'],
    example: {
      body: { workflow: 'comment', recipients: ['bob', { id: 'eve', email: 'eve@example.com' }], data: { text: 'Hi' } },
      response: { ...example, duplicate: false },
    },
  }),
  async ({ c, caller }) => {
    const wanted = await readTrigger(c, caller)
    const { kind: _, ...stored } = accepted(
      await callNotifications(c.env, caller.tenant, wanted.spec.id, (actor) => actor.accept(wanted)),
    )
    const body = { ...stored, refusedRecipients: wanted.refused }
    return stored.duplicate ? { status: 200, body } : { status: 202, body }
  },
)

const readNotification = operation(
  defineOperation({
    id: 'readNotification',
    method: 'get',
    path,
    tag,
    summary: 'Read a notification with how far it has come',
    access,
    params,
    responses: { 200: notificationView },
    example: { response: example },
  }),
  async ({ c, caller, params: { id } }) => {
    const found = await callNotifications(c.env, caller.tenant, id, (actor) => actor.find(id))
    return found === undefined ? noNotification(id) : { status: 200, body: shown(found) }
  },
)

const listNotifications = operation(
  defineOperation({
    id: 'listNotifications',
    method: 'get',
    path: '/v1/notifications',
    tag,
    summary: 'List notifications, the newest first',
    description: 'A page may have fewer notifications than `limit`, also none, while `next` is not null.',
    access,
    query: notificationsQuery,
    responses: { 200: notificationPage },
    example: { response: { notifications: [example], next: null } },
  }),
  async ({ c, caller, query: { workflow, cursor, limit } }) => {
    const [at = Number.MAX_SAFE_INTEGER, id = ''] = cursor === undefined ? [] : positionIn(cursor)
    const pages = await callAllNotifications(c.env, caller.tenant, (actor) =>
      actor.list({ workflow, before: { at, id }, limit }),
    )
    const found = pages.flatMap((page) => page.notifications).toSorted(isNewer)
    // An actor that has more was looked through down to its last one only: what is older is left to the next page.
    const [bound] = pages.flatMap(({ last }) => (last === undefined ? [] : [last])).toSorted(isNewer)
    const page = found.filter((one) => bound === undefined || isNewer(one, bound) <= 0).slice(0, limit)
    const isCut = page.length < found.length || bound !== undefined
    const last = page.length === limit ? (page.at(-1) ?? bound) : bound
    const next = isCut && last !== undefined ? `${last.at}:${last.id}` : null
    return { status: 200, body: { notifications: page.map(shown), next } }
  },
)

const cancel = operation(
  defineOperation({
    id: 'cancelNotifications',
    method: 'post',
    path: '/v1/notifications/cancel',
    tag,
    summary: 'Cancel notifications by their cancellation key, for all recipients or some',
    description:
      'What has not been sent is not sent any more: delays, digests and later steps end. Items that are in feeds stay. At most 1,000 notifications at once; repeat while the list is full.',
    access,
    body: cancelNotifications,
    responses: { 200: canceledNotifications },
    example: { body: { cancellationKey: 'order-17' }, response: { canceled: [example.id] } },
  }),
  async ({ c, caller, body: { cancellationKey, users } }) => {
    const lists = await callAllNotifications(c.env, caller.tenant, (actor) => actor.cancel(cancellationKey, users))
    return { status: 200, body: { canceled: lists.flat() } }
  },
)

const listRecipients = operation(
  defineOperation({
    id: 'listNotificationRecipients',
    method: 'get',
    path: '/v1/notifications/{id}/recipients',
    tag,
    summary: 'List the recipients of a notification with the states of their deliveries',
    description:
      'A page has the recipients of one call of the fan-out, at most 500, possibly none while `next` is not null.',
    access,
    params,
    query: recipientsQuery,
    responses: { 200: recipientPage },
    example: {
      response: {
        recipients: [{ user: 'bob', state: 'completed', deliveries: [{ channel: 'in-app', state: 'delivered' }] }],
        next: null,
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { id }, query: { cursor = '0:0' } }) => {
    await requireNotification(c.env, tenant, id)
    const [first = 0, from = 0] = cursor.split(':').map(Number)
    for (let actor = first, page = from; actor < recipientActors; actor++, page = 0) {
      const { recipients, next } = await callRecipientsNumbered(c.env, tenant, actor, (own) => own.recipients(id, page))
      if (recipients.length === 0 && next === null) continue
      const following = actor + 1 < recipientActors ? `${actor + 1}:0` : null
      return { status: 200, body: { recipients, next: next === null ? following : `${actor}:${next}` } }
    }
    return { status: 200, body: { recipients: [], next: null } }
  },
)

const readRecipient = operation(
  defineOperation({
    id: 'readNotificationRecipient',
    method: 'get',
    path: '/v1/notifications/{id}/recipients/{user}',
    tag,
    summary: 'Explain what became of a notification for one user',
    description: 'Each decision with its rule, each attempt with its provider and answer, and what is waited for.',
    access,
    params: z.object({ id: notificationId, user: userId }),
    responses: { 200: recipientLife },
    example: {
      response: {
        user: 'bob',
        notification: example.id,
        workflow: 'comment',
        version: 1,
        state: 'running',
        startedAt: 1_790_000_000_000,
        endedAt: null,
        isSeen: false,
        isRead: false,
        isInteracted: false,
        item: 'default:17',
        waitsFor: { step: 'a-while', kind: 'delay', until: 1_790_000_600_000 },
        gatheredInto: null,
        events: 1,
        notes: [{ at: 1_790_000_000_000, step: 'app', rule: 'preferences', text: 'allowed: default' }],
        deliveries: [
          {
            id: `${example.id}/bob/app`,
            step: 'app',
            channel: 'in-app',
            target: null,
            state: 'delivered',
            reason: null,
            dueAt: null,
            possibleDuplicates: 0,
            report: null,
            openedAt: null,
            clickedAt: null,
            attempts: [{ provider: 'in-app', at: 1_790_000_000_000, outcome: 'delivered', answer: null }],
          },
        ],
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { id, user } }) => {
    const number = recipientsNumberOf(user)
    const text = await callRecipientsNumbered(c.env, tenant, number, (recipients) => recipients.explain(id, user))
    if (text === undefined) {
      await requireNotification(c.env, tenant, id)
      return fail(
        'not-found',
        `user: ${user} is no recipient of notification ${id}, or it has not been handed out to them yet`,
      )
    }
    const view: NoticeView = JSON.parse(text)
    return { status: 200, body: lifeOf(view) }
  },
)

const readStats = operation(
  defineOperation({
    id: 'readNotificationStats',
    method: 'get',
    path: '/v1/notification-stats',
    tag,
    summary: 'Read how runs and deliveries went, by workflow and channel',
    access,
    responses: { 200: notificationStats },
    example: {
      response: {
        workflows: [
          {
            name: 'comment',
            started: 10,
            completed: 9,
            gathered: 0,
            throttled: 0,
            canceled: 0,
            channels: {
              'in-app': { delivered: 9, failed: 0, canceled: 0, skipped: 0, attempts: 9, possibleDuplicates: 0 },
            },
          },
        ],
      },
    },
  }),
  async ({ c, caller: { tenant } }) => {
    const all = await callAllRecipients(c.env, tenant, (recipients) => recipients.figures())
    const workflows = Object.entries(sumFigures(all)).map(([name, figures]) => ({ name, ...figures }))
    return { status: 200, body: { workflows } }
  },
)

const giveEvent = operation(
  defineOperation({
    id: 'giveNotificationEvent',
    method: 'post',
    path: '/v1/notification-events',
    tag,
    summary: 'Give an event to the runs whose workflow waits for it',
    access,
    body: notificationEvent,
    responses: { 200: eventGiven },
    example: { body: { event: 'order-paid', correlation: 'order-17' }, response: { runs: 1 } },
  }),
  async ({ c, caller: { tenant }, body: { event, correlation, data } }) => {
    const given = await callAllRecipients(c.env, tenant, (recipients) =>
      recipients.eventArrived(event, correlation, JSON.stringify(data)),
    )
    return { status: 200, body: { runs: given.reduce((sum, n) => sum + n, 0) } }
  },
)

/** Notifications that a tenant's server triggers. */
export const notifications = [
  trigger,
  listNotifications,
  cancel,
  readNotification,
  listRecipients,
  readRecipient,
  readStats,
  giveEvent,
]

function shown({ kind: _kind, ...view }: NotificationView) {
  return view
}

const noNotification = (id: string) => fail('not-found', `id: there is no notification ${id}`)

async function requireNotification(env: Env, tenant: string, id: string): Promise<void> {
  const found = await callNotifications(env, tenant, id, (actor) => actor.find(id))
  if (found === undefined) noNotification(id)
}

function positionIn(cursor: string): [number, string] {
  const colon = cursor.indexOf(':')
  return [Number(cursor.slice(0, colon)), cursor.slice(colon + 1)]
}

interface Position {
  readonly at: number
  readonly id: string
}

/** Orders notifications by their time, the newest first; those of one moment by their ids, as SQLite compares them. */
const isNewer = (a: Position, b: Position): number => b.at - a.at || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0)

/** When a wait ends at the latest; null where its deliveries say. */
function untilOf(wait: RunWait): number | null {
  const until = endOf(wait)
  return until === Infinity ? null : until
}

/** A notice as the explanation of it. */
function lifeOf({ run, state, item }: NoticeView) {
  const { wait, step } = run
  return {
    user: run.recipient,
    notification: run.notification,
    workflow: run.workflow,
    version: run.version,
    state: run.outcome ?? ('running' as const),
    startedAt: run.startedAt,
    endedAt: run.endedAt === 0 ? null : run.endedAt,
    ...state,
    item,
    waitsFor: wait === null ? null : { step: step ?? '', kind: wait.kind, until: untilOf(wait) },
    gatheredInto: run.gatheredInto === null ? null : run.gatheredInto.run.slice(0, run.gatheredInto.run.indexOf('/')),
    events: run.events,
    notes: run.notes,
    deliveries: run.deliveries.map((delivery) => ({
      id: delivery.id,
      step: delivery.step,
      channel: delivery.channel,
      target: delivery.target ?? null,
      state: delivery.state,
      reason: delivery.reason ?? null,
      dueAt: delivery.state === 'waiting' || delivery.state === 'active' ? delivery.dueAt : null,
      possibleDuplicates: delivery.possibleDuplicates,
      report: delivery.report ?? null,
      openedAt: delivery.openedAt ?? null,
      clickedAt: delivery.clickedAt ?? null,
      attempts: delivery.attempts.map(({ provider, at, outcome = null, answer = null }) => ({
        provider,
        at,
        outcome,
        answer,
      })),
    })),
  }
}
