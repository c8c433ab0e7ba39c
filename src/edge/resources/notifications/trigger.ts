import { callNotificationCatalog } from '../../../../durable-objects/open-recipients.ts'
import type {
  NamedRecipient,
  NewNotification,
  RecipientSelection,
  RefusedRecipient,
} from '../../../../durable-objects/notification-contracts.ts'
import type { Principal } from '../../../auth/principal.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { inSlices } from '../../../kernel/in-slices.ts'
import { sha256, uuidFrom, uuidv7 } from '../../../kernel/id.ts'
import type { Workflow } from '../../../notifications/model.ts'
import { explain } from '../../../protocol/explain.ts'
import { GivenJson, readGiven } from '../../../protocol/given-json.ts'
import {
  latestDelivery,
  maxRecipients,
  notificationBodyBytes,
  notificationHead,
  selection as selectionInput,
} from '../../../protocol/notifications-api.ts'
import { userId } from '../../../protocol/payloads.ts'
import { itemTexts, textAt } from '../../../protocol/protobuf/json-text.ts'
import { bulkUser } from '../../../protocol/users-api.ts'
import type { z } from 'zod'
import { requestBody, textOf } from '../../http/capped.ts'
import type { AppContext } from '../../http/context.ts'
import { check, parseJson } from '../../http/input.ts'
import { fail } from '../../http/problem.ts'
import { takeRecipients } from '../../rate-limits/items.ts'
import { badData } from './data-schema.ts'
import { noWorkflow, recipientOf, resolve } from './workflows.ts'

type Server = Extract<Principal, { kind: 'server' }>
type Head = z.output<typeof notificationHead>

/** Reads a trigger: the recipients are charged before any of them is looked at, and each is checked by itself. */
export async function readTrigger(c: AppContext, caller: Server): Promise<NewNotification> {
  const text = textOf(await requestBody(c, notificationBodyBytes))
  const given = parseJson(text)
  if (typeof given.value !== 'object' || given.value === null || Array.isArray(given.value))
    return fail('invalid-request', 'the body must be an object')
  const { recipients, ...rest } = withRecipients(given.value)
  if (Array.isArray(recipients)) await takeRecipients(c.env, caller, countOf(recipients))
  const head = check(notificationHead, new GivenJson(rest, () => JSON.stringify(rest)))
  const now = systemClock.now()
  const { deliverAt = now } = head
  if (deliverAt > latestDelivery(now)) return fail('invalid-request', 'deliverAt: at most a year from now')
  const { found, refused } = await readRecipients(c.env, caller.tenant, recipients, text)
  const { workflow, category, keepMs } = await resolved(c.env, caller.tenant, head)
  const bad = badData(workflow.schema, head.data)
  if (bad !== undefined) return fail('invalid-request', bad)
  const { actor, conversation, data, cancellationKey, idempotencyKey } = head
  const id =
    idempotencyKey === undefined ? uuidv7(now) : await uuidFrom(`${caller.tenant} notification ${idempotencyKey}`)
  const actorProfile = actor === undefined ? undefined : (await recipientOf(c.env, caller.tenant, actor)).profile
  const priority = head.priority ?? workflow.priority
  return {
    spec: { id, at: now, workflow, category, actor, actorProfile, conversation, priority, data, cancellationKey },
    selection: found,
    refused,
    deliverAt: Math.max(now, deliverAt),
    keepMs,
    fingerprint: await sha256(text),
  }
}

/** The members of a body, one of which is `recipients`. */
const withRecipients = (body: object): Record<string, unknown> & { readonly recipients?: unknown } => ({ ...body })

function countOf(recipients: readonly unknown[]): number {
  if (recipients.length > maxRecipients)
    return fail('invalid-request', `recipients: at most ${maxRecipients}, got ${recipients.length}`)
  return recipients.length
}

interface FoundRecipients {
  readonly found: RecipientSelection
  readonly refused: readonly RefusedRecipient[]
}

async function readRecipients(env: Env, tenant: string, given: unknown, text: string): Promise<FoundRecipients> {
  if (!Array.isArray(given)) {
    const wanted = selectionInput.safeParse(given)
    if (!wanted.success)
      return fail('invalid-request', 'recipients: a list of users, {"topic": <name>} or {"everyone": true}')
    if ('everyone' in wanted.data) return { found: { kind: 'everyone' }, refused: [] }
    const { topic: name } = wanted.data
    const topic = await callNotificationCatalog(env, tenant, (catalog) => catalog.topic(name))
    if (topic === undefined)
      return fail('not-found', `recipients.topic: there is no topic ${name}; PUT /v1/topics/${name} makes one`)
    return { found: { kind: 'topic', topic }, refused: [] }
  }
  if (given.length === 0) return fail('invalid-request', 'recipients: at least one')
  let texts: readonly string[] | undefined
  const users: NamedRecipient[] = []
  const refused: RefusedRecipient[] = []
  const named = new Set<string>()
  const read = (one: unknown, index: number): void => {
    const found = readRecipient(one, () => (texts ??= itemTexts(textAt(text, ['recipients']) ?? '[]'))[index] ?? 'null')
    if (typeof found === 'string') refused.push({ index, reason: found })
    else if (named.has(found.user)) refused.push({ index, reason: `${found.user}: is named before` })
    else {
      named.add(found.user)
      users.push(found)
    }
  }
  await inSlices<unknown>(given, read, () => scheduler.wait(0))
  if (users.length === 0)
    return fail('invalid-request', `recipients: none can be notified; recipients.0: ${refused[0]?.reason ?? ''}`)
  return { found: { kind: 'users', users }, refused }
}

/** A recipient, or why it is none. */
function readRecipient(given: unknown, text: () => string): NamedRecipient | string {
  if (typeof given === 'string') {
    const parsed = userId.safeParse(given)
    return parsed.success ? { user: given } : explain(parsed.error)
  }
  const parsed = readGiven(bulkUser, new GivenJson(given, text))
  if (!parsed.success) return explain(parsed.error)
  const { id: user, ...profile } = parsed.data
  return Object.keys(profile).length === 0 ? { user } : { user, profile }
}

/** The workflow of a trigger; content without one is a workflow of its own, whose version is 0. */
async function resolved(env: Env, tenant: string, head: Head) {
  const { workflow: name, version, category, content, channels = ['in-app'] } = head
  const found = await resolve(env, tenant, { name, version, category })
  if (category !== undefined && found.category === undefined)
    return fail(
      'not-found',
      `category: there is no category ${category}; PUT /v1/notification-categories/${category} registers one`,
    )
  if (name !== undefined) {
    if (found.workflow === undefined) return noWorkflow(name, version)
    return { ...found, workflow: found.workflow }
  }
  const steps: Workflow['steps'] = channels.map((channel) => ({
    kind: 'channel',
    name: channel,
    channel,
    source: { content: content ?? { body: '' } },
    onUnknown: 'wait',
    heedsQuietHours: true,
    awaitsOutcome: false,
  }))
  const workflow: Workflow = { name: category ?? 'content', version: 0, category, priority: 'normal', steps }
  return { ...found, workflow }
}
