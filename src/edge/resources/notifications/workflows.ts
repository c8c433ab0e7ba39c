import { z } from 'zod'
import { callNotificationCatalog, callRecipients } from '../../../../durable-objects/open-recipients.ts'
import type { ResolvedWorkflow, StoredWorkflow } from '../../../../durable-objects/notification-contracts.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { badSchema } from '../../../kernel/json-schema/schema.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { badEndpoint } from '../../../kernel/outside-url.ts'
import type { Profile } from '../../../notifications/model.ts'
import { dryRun } from '../../../notifications/runs/dry-run.ts'
import { badWorkflow, stepsOf, warningsOf } from '../../../notifications/workflows/check.ts'
import {
  category as categoryView,
  categoryList,
  dryRunBody,
  dryRunResult,
  putCategory,
  workflowList,
  workflowQuery,
  workflowsQuery,
  workflowVersion,
  workflowView,
} from '../../../protocol/notifications-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { workflowDefinition, workflowName, type WorkflowDefinition } from '../../../protocol/workflows-api.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { badData } from './data-schema.ts'

const tag = 'Notifications'
const access = 'server'
const path = '/v1/workflows/{name}'
const params = z.object({ name: workflowName })
const categoryPath = '/v1/notification-categories/{name}'

const exampleStep = {
  name: 'app',
  kind: 'channel',
  channel: 'in-app',
  source: { content: { title: 'New comment', body: '{{ actor.name }} wrote: {{ data.text }}' } },
} as const
const exampleDefinition = {
  steps: [
    exampleStep,
    { name: 'a-while', kind: 'delay', seconds: 600 },
    {
      name: 'mail',
      kind: 'channel',
      channel: 'email',
      source: { content: { title: 'New comment', body: '{{ data.text }}' } },
      unless: 'seen',
    },
  ],
}
const exampleCategory = { name: 'comments', label: 'Comments', isMandatory: false, defaults: { email: false } }

const defineWorkflow = operation(
  defineOperation({
    id: 'defineWorkflow',
    method: 'put',
    path,
    tag,
    summary: 'Register a workflow, or a new version of it',
    description:
      'Runs under way keep the version they started with. The same definition again is the same version. Mistakes in steps, expressions and ' +
      'addresses are refused here; `warnings` names what is permitted and may not be meant.',
    access,
    params,
    body: workflowDefinition,
    responses: { 200: workflowVersion },
    errors: ['conflict'],
    example: { body: exampleDefinition, response: { name: 'comment', version: 1, warnings: [] } },
  }),
  async ({ c, caller: { tenant }, params: { name }, body }) => {
    checkDefinition(c.env, body)
    const { version } = accepted(
      await callNotificationCatalog(c.env, tenant, (catalog) => catalog.putWorkflow(name, body)),
    )
    return { status: 200, body: { name, version, warnings: warningsOf(body) } }
  },
)

const listWorkflows = operation(
  defineOperation({
    id: 'listWorkflows',
    method: 'get',
    path: '/v1/workflows',
    tag,
    summary: 'List your workflows by name',
    access,
    query: workflowsQuery,
    responses: { 200: workflowList },
    example: { response: { workflows: [{ name: 'comment', version: 3 }], next: null } },
  }),
  async ({ c, caller: { tenant }, query: { cursor = '', limit } }) => {
    const workflows = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.workflows(cursor, limit))
    const last = workflows.length === limit ? workflows.at(-1) : undefined
    return { status: 200, body: { workflows, next: last?.name ?? null } }
  },
)

const readWorkflow = operation(
  defineOperation({
    id: 'readWorkflow',
    method: 'get',
    path,
    tag,
    summary: 'Read the newest version of a workflow, or the one asked for',
    access,
    params,
    query: workflowQuery,
    responses: { 200: workflowView },
    example: {
      response: {
        name: 'comment',
        version: 1,
        warnings: [],
        definition: {
          priority: 'normal',
          steps: [{ ...exampleStep, onUnknown: 'wait', heedsQuietHours: true, awaitsOutcome: false }],
        },
        createdAt: 1_790_000_000_000,
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { name }, query: { version } }) => {
    const text = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.workflow(name, version))
    if (text === undefined) return noWorkflow(name, version)
    const stored: StoredWorkflow = JSON.parse(text)
    const { name: _, version: found, ...definition } = stored.workflow
    const body = { name, version: found, warnings: warningsOf(definition), definition, createdAt: stored.createdAt }
    return { status: 200, json: JSON.stringify(body) }
  },
)

const removeWorkflow = operation(
  defineOperation({
    id: 'removeWorkflow',
    method: 'delete',
    path,
    tag,
    summary: 'Remove a workflow: no notification uses it any more, and runs under way go on',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const wasThere = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.removeWorkflow(name))
    return wasThere ? { status: 204 } : noWorkflow(name)
  },
)

const dryRunWorkflow = operation(
  defineOperation({
    id: 'dryRunWorkflow',
    method: 'post',
    path: '/v1/workflows/{name}/dry-run',
    tag,
    summary: 'See what a workflow would do for one user: nothing is sent or stored',
    description:
      'The user’s profile and preferences are used, and the tenant’s providers; the clock is one of its own. Each decision is noted with its rule.',
    access,
    params,
    body: dryRunBody,
    responses: { 200: dryRunResult },
    example: {
      body: { user: 'bob', data: { text: 'Hi' } },
      response: {
        outcome: 'completed',
        endedAt: 1_790_000_600_000,
        notes: [{ at: 1_790_000_000_000, step: 'app', rule: 'preferences', text: 'allowed: default' }],
        messages: [{ at: 1_790_000_000_000, step: 'app', channel: 'in-app', provider: 'in-app', target: null }],
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { name }, body }) => {
    const { user, version, data, actor, at = systemClock.now(), ...given } = body
    const { workflow, category } = await resolve(c.env, tenant, { name, version })
    if (workflow === undefined) return noWorkflow(name, version)
    const bad = badData(workflow.schema, data)
    if (bad !== undefined) return fail('invalid-request', bad)
    const settings = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.decisionSettings())
    const recipient = await recipientOf(c.env, tenant, user)
    const actorProfile = actor === undefined ? undefined : (await recipientOf(c.env, tenant, actor)).profile
    const { outcome, endedAt, notes, messages } = dryRun({
      ...given,
      spec: { id: 'dry-run', at, workflow, category, actor, actorProfile, priority: workflow.priority, data },
      profile: recipient.profile,
      actor: actorProfile,
      preferences: { recipient: recipient.preferences, tenant: settings.preferences },
      tenantZone: settings.zone,
      providers: (channel) => settings.providers[channel] ?? [],
      now: at,
    })
    const shown = messages.map((message) => ({
      at: message.at,
      step: message.step,
      channel: message.channel,
      provider: message.provider,
      target: message.target ?? null,
    }))
    return { status: 200, body: { outcome, endedAt, notes, messages: shown } }
  },
)

const storeCategory = operation(
  defineOperation({
    id: 'putNotificationCategory',
    method: 'put',
    path: categoryPath,
    tag,
    summary: 'Register a category: what users can switch off as a whole',
    access,
    params,
    body: putCategory,
    responses: { 200: categoryView },
    errors: ['conflict'],
    example: { body: { label: 'Comments', defaults: { email: false } }, response: exampleCategory },
  }),
  async ({ c, caller: { tenant }, params: { name }, body }) => {
    const answer = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.putCategory({ name, ...body }))
    if ('kind' in answer) return accepted(answer)
    return { status: 200, json: JSON.stringify(answer) }
  },
)

const listCategories = operation(
  defineOperation({
    id: 'listNotificationCategories',
    method: 'get',
    path: '/v1/notification-categories',
    tag,
    summary: 'List your categories',
    access,
    responses: { 200: categoryList },
    example: { response: { categories: [exampleCategory] } },
  }),
  async ({ c, caller: { tenant } }) => ({
    status: 200,
    json: JSON.stringify({
      categories: await callNotificationCatalog(c.env, tenant, (catalog) => catalog.categories()),
    }),
  }),
)

const readCategory = operation(
  defineOperation({
    id: 'readNotificationCategory',
    method: 'get',
    path: categoryPath,
    tag,
    summary: 'Read a category',
    access,
    params,
    responses: { 200: categoryView },
    example: { response: exampleCategory },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const found = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.category(name))
    return found === undefined ? noCategory(name) : { status: 200, json: JSON.stringify(found) }
  },
)

const removeCategory = operation(
  defineOperation({
    id: 'removeNotificationCategory',
    method: 'delete',
    path: categoryPath,
    tag,
    summary: 'Remove a category; what users said of it stays, should it come back',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const wasThere = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.removeCategory(name))
    return wasThere ? { status: 204 } : noCategory(name)
  },
)

/** Workflows and categories of notifications. */
export const workflows = [
  defineWorkflow,
  listWorkflows,
  readWorkflow,
  removeWorkflow,
  dryRunWorkflow,
  storeCategory,
  listCategories,
  readCategory,
  removeCategory,
]

/** A user's profile and preferences, also of one of whom nothing is stored. */
export const recipientOf = async (env: Env, tenant: string, user: string) => {
  const text = await callRecipients(env, tenant, user, (recipients) => recipients.recipient(user))
  const found: { readonly profile: Profile; readonly preferences?: object } = JSON.parse(text)
  return found
}

/** The workflow and category of a notification. */
export async function resolve(
  env: Env,
  tenant: string,
  {
    name,
    version,
    category,
  }: { name?: string | undefined; version?: number | undefined; category?: string | undefined },
): Promise<ResolvedWorkflow> {
  const text = await callNotificationCatalog(env, tenant, (catalog) => catalog.resolve(name, version, category))
  const found: ResolvedWorkflow = JSON.parse(text)
  return found
}

export const noWorkflow = (name: string, version?: number) =>
  fail(
    'not-found',
    `name: there is no workflow ${name}${version === undefined ? '' : ` with version ${version}`}; PUT /v1/workflows/${name} registers one`,
  )

const noCategory = (name: string) =>
  fail('not-found', `name: there is no category ${name}; PUT /v1/notification-categories/${name} registers one`)

/** Refuses what can be known to be wrong before a run starts. */
function checkDefinition(env: Env, definition: WorkflowDefinition): void {
  const bad = badWorkflow(definition) ?? badEndpoints(env, definition)
  if (bad !== undefined) fail('invalid-request', bad)
  const badShape = definition.schema === undefined ? undefined : badSchema(definition.schema)
  if (badShape !== undefined) fail('invalid-request', `schema: ${badShape}`)
}

function badEndpoints(env: Env, { steps }: WorkflowDefinition): string | undefined {
  for (const [field, step] of stepsOf(steps)) {
    const bad = step.kind === 'fetch' ? badEndpoint(step.url, loadConfig(env).endpoints) : undefined
    if (bad !== undefined) return `${field}.${bad}`
  }
  return undefined
}
