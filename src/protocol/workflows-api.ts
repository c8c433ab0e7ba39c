import { z } from 'zod'
import { expressionLength } from '../kernel/expression.ts'
import { isDeeper } from '../kernel/json.ts'
import { urlLength } from '../kernel/outside-url.ts'
import { isLonger } from '../kernel/text.ts'
import { eventType } from './events-api.ts'
import { daySeconds } from './job-fields.ts'

/** Steps of a workflow with those of its branches, and how deep branches may lie in branches. */
export const maxWorkflowSteps = 50
export const maxBranchDepth = 3
/** Bytes of JSON of a data schema. */
export const workflowSchemaBytes = 65_536
const maxDelaySeconds = 365 * daySeconds
const maxWaitSeconds = 30 * daySeconds
const maxWindowSeconds = 31 * daySeconds

/** Names of workflows and categories. Those of chat begin with `$`; no others can. */
export const workflowName = z
  .string()
  .regex(
    /^(?!\.\.?$)(?:[A-Za-z0-9_.-]{1,64}|\$chat(?:\.(?:direct|group|mention|reply|invitation|unread))?)$/,
    'letters, digits and _ . - only, at most 64, not only dots',
  )

/** Names of steps stand in expressions, as in `steps.mail.state`. */
export const stepName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'a letter, then letters, digits and _ - only, at most 64')
  .refine((name) => !(name in Object.prototype), 'this name cannot be used')

const expression = z
  .string()
  .min(1)
  .max(expressionLength)
  .describe(
    'A JMESPath expression on `{recipient, actor, data, events, total, steps, state}`; conditions also see `preferences`',
  )

const template = z.string().min(1).max(64)
const url = z.string().min(1).max(urlLength)

/** What a channel's message says, in Liquid. */
export const workflowContent = z
  .strictObject({
    title: z.string().min(1).max(1000).exactOptional().describe('The subject of an e-mail'),
    body: z.string().min(1).max(20_000),
    html: z.string().min(1).max(100_000).exactOptional().describe('Of an e-mail; without it the body is sent as text'),
    url: url.exactOptional().describe('Where a click leads'),
    actions: z
      .array(z.strictObject({ id: stepName, label: z.string().min(1).max(200), url: url.exactOptional() }))
      .max(10)
      .exactOptional(),
  })
  .meta({ id: 'NotificationContent' })

const source = z.union(
  [
    z.strictObject({
      template,
      version: z.int().min(1).exactOptional().describe('The newest at the time of sending without it'),
    }),
    z.strictObject({ content: workflowContent }),
  ],
  'must be {"template": <name>} or {"content": {"body": <text>, …}}',
)

const common = { name: stepName, when: expression.exactOptional().describe('The step is skipped unless this holds') }

const channelStep = z
  .strictObject({
    ...common,
    kind: z.literal('channel'),
    channel: z.enum(['in-app', 'email', 'push', 'sms', 'chat', 'webhook']),
    source,
    onUnknown: z
      .enum(['wait', 'failover'])
      .default('wait')
      .describe(
        'When it is not known whether a provider sent the message: `wait` asks the same provider only; `failover` goes on to the next, and the recipient may have the message twice',
      ),
    unless: z
      .enum(['seen', 'read'])
      .exactOptional()
      .describe('Not sent when the recipient has seen or read it in the app by then'),
    heedsQuietHours: z.boolean().default(true),
    awaitsOutcome: z
      .boolean()
      .default(false)
      .describe(
        'The next step starts when the deliveries of this one have ended, and conditions know what became of them',
      ),
  })
  .meta({ id: 'ChannelStep' })

const delayStep = z
  .strictObject({ ...common, kind: z.literal('delay'), seconds: z.int().min(1).max(maxDelaySeconds) })
  .meta({ id: 'DelayStep' })

const windowSeconds = z.int().min(1).max(maxWindowSeconds)
export const timeOfDay = z
  .string()
  .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'a time of day from 00:00 to 23:59, such as 08:30')
const weekdays = z
  .array(z.int().min(1).max(7))
  .min(1)
  .max(7)
  .refine((days) => new Set(days).size === days.length, 'each weekday once')

const digestStep = z
  .strictObject({
    ...common,
    kind: z.literal('digest'),
    key: expression
      .exactOptional()
      .describe('Notifications with the same value are gathered; all of a user without it'),
    window: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('fixed'), seconds: windowSeconds }),
      z
        .strictObject({
          kind: z.literal('sliding'),
          seconds: windowSeconds.describe('Each notification prolongs the window to so many seconds from then'),
          maxSeconds: windowSeconds.describe('The window closes then at the latest'),
        })
        .refine(({ seconds, maxSeconds }) => seconds <= maxSeconds, {
          path: ['maxSeconds'],
          error: 'at least as long as seconds',
        }),
      z.strictObject({
        kind: z.literal('until'),
        time: timeOfDay.describe('In the zone of the recipient'),
        weekdays: weekdays.exactOptional().describe('1 is Monday; each day without it'),
      }),
    ]),
  })
  .meta({ id: 'DigestStep' })

const throttleStep = z
  .strictObject({
    ...common,
    kind: z.literal('throttle'),
    limit: z.int().min(1).max(100).describe('So many runs pass within the time; the others end'),
    seconds: windowSeconds,
    key: expression.exactOptional().describe('Runs with the same value are counted together'),
  })
  .meta({ id: 'ThrottleStep' })

const waitStep = z
  .strictObject({
    ...common,
    kind: z.literal('wait'),
    for: z.union(
      [
        z.enum(['seen', 'read', 'interacted']),
        z.strictObject({ event: eventType, correlation: expression.describe('Gives the correlation of the event') }),
      ],
      'must be seen, read, interacted, or {"event": <type>, "correlation": <expression>}',
    ),
    timeoutSeconds: z.int().min(1).max(maxWaitSeconds),
  })
  .meta({ id: 'WaitStep' })

const fetchStep = z
  .strictObject({
    ...common,
    kind: z.literal('fetch'),
    url: url.describe('An https address, which is sent a POST; its JSON is `steps.<name>.result`'),
    body: expression.exactOptional().describe('The whole document without it'),
    timeoutSeconds: z.int().min(1).max(60).default(10),
  })
  .meta({ id: 'FetchStep' })

const updateUserStep = z
  .strictObject({
    ...common,
    kind: z.literal('update-user'),
    set: expression.describe('Gives an object that is merged into the properties of the user; null removes one'),
  })
  .meta({ id: 'UpdateUserStep' })

const plainSteps = [channelStep, delayStep, digestStep, throttleStep, waitStep, fetchStep, updateUserStep] as const
type PlainStep = z.output<(typeof plainSteps)[number]>

interface BranchStepDefinition {
  readonly name: string
  readonly when?: string
  readonly kind: 'branch'
  readonly cases: readonly { readonly when: string; readonly steps: readonly WorkflowStepDefinition[] }[]
  readonly otherwise: readonly WorkflowStepDefinition[]
}

export type WorkflowStepDefinition = PlainStep | BranchStepDefinition

/** Steps in which branches lie `depth` deep at most, so that no definition is nested endlessly. */
function stepUpTo(depth: number): z.ZodType<WorkflowStepDefinition> {
  if (depth === 0)
    return z.discriminatedUnion('kind', plainSteps, {
      error: `kind: no such step; branches lie in branches ${maxBranchDepth} deep at most`,
    })
  const steps = z.array(stepUpTo(depth - 1)).max(maxWorkflowSteps)
  const branchStep = z
    .strictObject({
      ...common,
      kind: z.literal('branch'),
      cases: z
        .array(z.strictObject({ when: expression, steps }))
        .min(1)
        .max(20)
        .describe('The first whose condition holds is taken'),
      otherwise: steps.default([]),
    })
    .meta({ id: depth === maxBranchDepth ? 'BranchStep' : `BranchStep${maxBranchDepth - depth + 1}` })
  return z.discriminatedUnion('kind', [...plainSteps, branchStep])
}

const dataSchema = z
  .unknown()
  .refine((given) => typeof given === 'boolean' || (typeof given === 'object' && given !== null), {
    error: 'must be a JSON Schema',
    abort: true,
  })
  .refine((given) => !isDeeper(given, 32), { error: 'nested at most 32 levels deep', abort: true })
  .refine(
    (given) => !isLonger(JSON.stringify(given), workflowSchemaBytes),
    `at most ${workflowSchemaBytes} bytes of JSON`,
  )

/** `PUT /v1/workflows/{name}`. Rules between steps are in src/notifications/workflows/check.ts. */
export const workflowDefinition = z
  .strictObject({
    category: workflowName.exactOptional(),
    priority: z.enum(['low', 'normal', 'high']).default('normal').describe('`high` is sent in quiet hours, too'),
    schema: dataSchema.exactOptional().describe('JSON Schema of the data of a notification'),
    steps: z.array(stepUpTo(maxBranchDepth)).min(1).max(maxWorkflowSteps),
  })
  .meta({ id: 'WorkflowDefinition' })

export type WorkflowDefinition = z.output<typeof workflowDefinition>
