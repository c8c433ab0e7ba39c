import { z } from 'zod'
import { isDeeper } from '../kernel/json.ts'
import { isLonger } from '../kernel/text.ts'
import { sizes } from './limits.ts'
import { conversationId, userId } from './payloads.ts'
import { workflowContent, workflowDefinition, workflowName } from './workflows-api.ts'

/** Recipients of one request, and bytes of its body. */
export const maxRecipients = 100_000
export const notificationBodyBytes = 16 * 1024 * 1024
const yearMs = 365 * 86_400_000

/** Data of a notification, a dry run or an event. */
const data = z
  .json()
  .refine((value) => !isDeeper(value, sizes.dataDepth), {
    error: `nested at most ${sizes.dataDepth} levels deep`,
    abort: true,
  })
  .refine((value) => !isLonger(JSON.stringify(value), sizes.dataBytes), `at most ${sizes.dataBytes} bytes of JSON`)

const time = z.int().describe('Milliseconds since the epoch')
const channel = z.enum(['in-app', 'email', 'push', 'sms', 'chat', 'webhook'])
export const priority = z.enum(['low', 'normal', 'high'])
const switches = z.partialRecord(z.enum(['in-app', 'email', 'push', 'sms', 'chat', 'webhook', 'all']), z.boolean())

/** Ids of notifications. */
export const notificationId = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'letters, digits and - only, at most 64')
/** Names that a tenant chooses to cancel notifications by, and idempotency keys. */
const ownKey = z.string().min(1).max(255)

/** `PUT /v1/notification-categories/{name}`. */
export const putCategory = z.strictObject({
  label: z.string().min(1).max(sizes.nameLength).exactOptional().describe('As users see it'),
  isMandatory: z.boolean().default(false).describe('Sent whatever a user prefers, such as a reset of a password'),
  defaults: switches.exactOptional().describe('For users that have not said what they want'),
})

export const category = z
  .object({
    name: z.string(),
    label: z.string().optional(),
    isMandatory: z.boolean(),
    defaults: switches.optional(),
  })
  .meta({ id: 'NotificationCategory' })

export const categoryList = z.object({ categories: z.array(category) })

const shownDefinition = workflowDefinition.partial().loose().describe('The definition, with the defaults that apply')

/** What registering a workflow is answered with. */
export const workflowVersion = z
  .object({
    name: z.string(),
    version: z.int(),
    warnings: z.array(z.string()).describe('What is permitted and may not be meant'),
  })
  .meta({ id: 'WorkflowVersion' })

export const workflowView = workflowVersion
  .extend({ definition: shownDefinition, createdAt: time })
  .meta({ id: 'Workflow' })

export const workflowQuery = z.strictObject({ version: z.coerce.number().int().min(1).optional() })
export const workflowsQuery = z.strictObject({
  cursor: workflowName.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})
export const workflowList = z.object({
  workflows: z.array(z.object({ name: z.string(), version: z.int().describe('The newest version') })),
  next: z.string().nullable().describe('Cursor of the next page'),
})

/** `POST /v1/workflows/{name}/dry-run`: one user, a clock of its own, and nothing is sent. */
export const dryRunBody = z.strictObject({
  version: z.int().min(1).exactOptional(),
  user: userId.describe('Their profile and preferences are used'),
  data: data.default({}),
  actor: userId.exactOptional(),
  at: time.exactOptional().describe('When it begins; now without it'),
  seenAt: time.exactOptional(),
  readAt: time.exactOptional(),
  interactedAt: time.exactOptional(),
  fetched: z.record(z.string(), z.json()).exactOptional().describe('What fetch steps are answered, by their names'),
})

export const note = z
  .object({ at: time, step: z.string().optional(), rule: z.string(), text: z.string() })
  .meta({ id: 'NotificationNote' })

export const dryRunResult = z
  .object({
    outcome: z.string().nullable(),
    endedAt: time,
    notes: z.array(note).describe('Each decision with its rule'),
    messages: z.array(
      z.object({ at: time, step: z.string(), channel, provider: z.string(), target: z.string().nullable() }),
    ),
  })
  .meta({ id: 'DryRun' })

const topicRecipients = z.strictObject({ topic: workflowName })
const everyone = z.strictObject({ everyone: z.literal(true) })

/** Everything of a trigger but its recipients, each of which is checked by itself. */
export const notificationHead = z
  .strictObject({
    workflow: workflowName.exactOptional(),
    version: z.int().min(1).exactOptional().describe('Of the workflow; the newest without it'),
    category: workflowName.exactOptional(),
    content: workflowContent.exactOptional(),
    channels: z.array(channel).min(1).max(6).exactOptional().describe('Of `content`; in-app without it'),
    actor: userId.exactOptional().describe('The user that caused it'),
    conversation: conversationId.exactOptional().describe('Recipients that muted it are not notified'),
    data: data.default({}),
    priority: priority.exactOptional(),
    idempotencyKey: ownKey.exactOptional().describe('A repeat with this key is the same notification'),
    deliverAt: time.exactOptional(),
    cancellationKey: ownKey.exactOptional(),
  })
  .refine(
    ({ workflow, content }) => (workflow === undefined) !== (content === undefined),
    'give a workflow, or content (with a category)',
  )
  .refine(({ version, workflow }) => version === undefined || workflow !== undefined, 'version: only with a workflow')
  .refine(
    ({ channels, content }) => channels === undefined || content !== undefined,
    'channels: only with content; the steps of a workflow name theirs',
  )

/** When `deliverAt` is too late. */
export const latestDelivery = (now: number): number => now + yearMs

export const selection = z.union([topicRecipients, everyone])

const inlineRecipient = z.looseObject({ id: userId }).describe('A user with fields of the profile that are stored')

/** The body as documentation shows it. */
export const documentedNotification = z
  .strictObject({
    ...notificationHead.shape,
    recipients: z.union([
      z
        .array(z.union([userId, inlineRecipient]))
        .min(1)
        .max(maxRecipients),
      topicRecipients,
      everyone,
    ]),
  })
  .meta({ id: 'NewNotification' })

const refusedRecipient = z.object({ index: z.int().describe('Counts in the request from 0'), reason: z.string() })

const notificationFields = {
  id: z.string(),
  at: time,
  deliverAt: time,
  state: z.enum(['scheduled', 'sending', 'sent', 'canceled']),
  workflow: z.string(),
  version: z.int(),
  category: z.string().nullable(),
  actor: z.string().nullable(),
  priority,
  cancellationKey: z.string().nullable(),
  selection: z.enum(['users', 'topic', 'everyone']),
  recipients: z.int().nullable().describe('Users that the request named; null of a topic or of everyone'),
  handedOut: z.int().describe('Users for which it has been decided so far'),
  refused: z.int(),
}

export const notification = z
  .object({ ...notificationFields, refusedRecipients: z.array(refusedRecipient).describe('The first 1,000') })
  .meta({ id: 'Notification' })

export const acceptedNotification = z
  .object({
    ...notificationFields,
    duplicate: z.boolean().describe('It was accepted before, by the same idempotency key'),
    refusedRecipients: z.array(refusedRecipient).describe('All of this request'),
  })
  .meta({ id: 'AcceptedNotification' })

export const notificationsQuery = z.strictObject({
  workflow: workflowName.optional(),
  cursor: z
    .string()
    .regex(/^\d{1,15}:[A-Za-z0-9-]{1,64}$/, 'not a cursor of this list; give `next` of the page before')
    .optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

export const notificationPage = z.object({
  notifications: z.array(notification).describe('The newest first'),
  next: z.string().nullable().describe('Cursor of the next page'),
})

/** `POST /v1/notifications/cancel`. */
export const cancelNotifications = z.strictObject({
  cancellationKey: ownKey,
  users: z.array(userId).min(1).max(1000).exactOptional().describe('For these users only'),
})
export const canceledNotifications = z.object({ canceled: z.array(z.string()).describe('Ids of notifications') })

const outcome = z.enum(['running', 'completed', 'gathered', 'throttled', 'canceled'])
const deliveryState = z.enum(['waiting', 'active', 'delivered', 'failed', 'canceled', 'skipped'])

export const recipientsQuery = z.strictObject({
  cursor: z
    .string()
    .regex(/^(?:\d|1[0-5]):\d{1,6}$/, 'not a cursor of this list; give `next` of the page before')
    .optional(),
})
export const recipientPage = z.object({
  recipients: z.array(
    z.object({
      user: z.string(),
      state: outcome,
      deliveries: z.array(z.object({ channel, state: deliveryState })),
    }),
  ),
  next: z.string().nullable().describe('Cursor of the next page'),
})

/** The whole life of one recipient of a notification. */
export const recipientLife = z
  .object({
    user: z.string(),
    notification: z.string(),
    workflow: z.string(),
    version: z.int(),
    state: outcome,
    startedAt: time,
    endedAt: time.nullable(),
    isSeen: z.boolean(),
    isRead: z.boolean(),
    isInteracted: z.boolean(),
    item: z.string().nullable().describe('Its item in the feed'),
    waitsFor: z
      .object({ step: z.string(), kind: z.string(), until: time.nullable() })
      .nullable()
      .describe('What the next step waits for'),
    gatheredInto: z.string().nullable().describe('The notification that goes on for it in a digest'),
    events: z.int().describe('Notifications that it stands for'),
    notes: z.array(note).describe('Each decision with its rule, in order'),
    deliveries: z.array(
      z.object({
        id: z.string(),
        step: z.string(),
        channel,
        target: z.string().nullable(),
        state: deliveryState,
        reason: z.string().nullable(),
        dueAt: time.nullable().describe('When it goes on'),
        possibleDuplicates: z.int().describe('Attempts after which the recipient may have it twice'),
        report: z
          .object({
            provider: z.string(),
            reason: z.enum(['bounce', 'complaint', 'unsubscribed']),
            at: time,
            detail: z.string(),
          })
          .nullable()
          .describe('What its provider reported later'),
        openedAt: time.nullable().describe('First time, of an e-mail that is tracked'),
        clickedAt: time.nullable(),
        attempts: z.array(
          z.object({
            provider: z.string(),
            at: time,
            outcome: z.string().nullable().describe('null while it is under way'),
            answer: z.string().nullable(),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'NotificationRecipient' })

const figures = z.object({
  delivered: z.int(),
  failed: z.int(),
  canceled: z.int(),
  skipped: z.int(),
  attempts: z.int(),
  possibleDuplicates: z.int(),
})

/** `GET /v1/notification-stats`. */
export const notificationStats = z
  .object({
    workflows: z.array(
      z.object({
        name: z.string(),
        started: z.int(),
        completed: z.int(),
        gathered: z.int(),
        throttled: z.int(),
        canceled: z.int(),
        channels: z.partialRecord(channel, figures),
      }),
    ),
  })
  .meta({ id: 'NotificationStats' })

/** `POST /v1/notification-events`. */
export const notificationEvent = z.strictObject({
  event: workflowName,
  correlation: z.string().min(1).max(255),
  data: data.default(null),
})
export const eventGiven = z.object({ runs: z.int().describe('Runs that waited for it') })
