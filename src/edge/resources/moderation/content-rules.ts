import { tenantOf } from '../../../../durable-objects/address.ts'
import { callModeration } from '../../../../durable-objects/open-moderation.ts'
import type { Env } from '../../../env.ts'
import { BoundedMap } from '../../../kernel/bounded-map.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { ContentFilter, type CheckedContent } from '../../../moderation/content-filter.ts'
import { contentRules, isEmptyRules, noRules } from '../../../protocol/content-rules-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import type { TenantRecord } from '../../../tenants/record.ts'
import { operation } from '../../http/operations.ts'
import { accepted } from '../../http/problem.ts'
import { forgetTenant } from '../../identity/tenants.ts'

const tag = 'Moderation'
const access = 'server'
const path = '/v1/content-rules'
const example = {
  words: [
    { list: ['casino*', 'free money'], action: 'refuse' },
    { list: ['damn'], action: 'mask' },
  ],
  links: { deny: ['spam.example.com'], action: 'flag' },
  repeats: { count: 3, seconds: 60, action: 'refuse' },
  mentions: { max: 10, action: 'refuse' },
} as const

const readRules = operation(
  defineOperation({
    id: 'readContentRules',
    method: 'get',
    path,
    tag,
    summary: 'Read what messages of users may not contain',
    access,
    responses: { 200: contentRules },
    example: { response: example },
  }),
  async ({ c, caller }) => ({
    status: 200,
    body: (await tenantOf(c.env, caller.tenant).record())?.contentRules ?? noRules,
  }),
)

const putRules = operation(
  defineOperation({
    id: 'putContentRules',
    method: 'put',
    path,
    tag,
    summary: 'Store what messages of users may not contain',
    description:
      'Replaces the rules as a whole; they hold for messages and edits from then on, elsewhere within a second. What your server sends is not ' +
      'checked. `refuse` answers `content-refused` or `flood`, `mask` puts * in the place of words, `flag` opens a review.',
    access,
    body: contentRules,
    responses: { 200: contentRules },
    example: { body: example, response: example },
  }),
  async ({ c, caller: { tenant }, body }) => {
    await tenantOf(c.env, tenant).setContentRules(isEmptyRules(body) ? undefined : body)
    await forgetTenant(c.env, tenant)
    return { status: 200, body }
  },
)

/** Filters of tenants in this process, with the version of the record that they were made of. */
const filters = new BoundedMap<string, { readonly version: number; readonly filter: ContentFilter }>(500)

function filterOf({ id, version, contentRules: rules }: TenantRecord): ContentFilter | undefined {
  if (rules === undefined) return undefined
  const known = filters.get(id)
  if (known?.version === version) return known.filter
  const filter = new ContentFilter(rules, known?.filter)
  filters.set(id, { version, filter })
  return filter
}

/** What a user sends over HTTP, as the rules of the tenant leave it. Throws the problem of a rule that refuses. */
export function checkContent(
  record: TenantRecord | undefined,
  user: string,
  content: CheckedContent & { readonly clientId?: string | undefined },
): { readonly text: string; readonly flags: readonly string[] } | undefined {
  const filter = record === undefined ? undefined : filterOf(record)
  return filter === undefined ? undefined : accepted(filter.check(user, content, systemClock.now(), content.clientId))
}

/** Opens a review of a message that rules flag. */
export async function flagMessage(
  env: Env,
  tenant: string,
  {
    flags,
    ...message
  }: { conversation: string; seq: number; user: string; text: string; at: number; flags: readonly string[] },
): Promise<void> {
  await callModeration(env, tenant, (moderation) => moderation.flag({ kind: 'message', ...message }, flags))
}

/** The content rules of a tenant. */
export const contentRulesOperations = [readRules, putRules]
