import { z } from 'zod'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { callSaga } from '../../../../durable-objects/open-actors.ts'
import type { Env } from '../../../env.ts'
import { log, reasonOf } from '../../../kernel/log.ts'
import { idsOf } from '../../../kernel/request-context.ts'
import { deletionRun, ownSagasTenant } from '../../../sagas/own.ts'
import { platformTenant } from '../../../limits/limiter-names.ts'
import { defaultGraceDays, deletionQuery, deletionView } from '../../../protocol/deletion-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { tenantView } from '../../../protocol/operator-api.ts'
import { reportOf } from '../../../tenants/deletion-report.ts'
import { tenantId } from '../../../tenants/record.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetTenant } from '../../identity/tenants.ts'
import { exampleTenant, shown } from './shown.ts'

const tag = 'Operator'
const access = 'operator'
const params = z.object({ id: tenantId })
const exampleDeletion = {
  tenant: 'acme',
  phase: 'grace',
  requestedAt: 1_790_000_000_000,
  eraseAt: 1_790_604_800_000,
  startedAt: null,
  endedAt: null,
  rounds: 0,
  waitsFor: 'the end of the grace',
  failure: null,
  nextAt: 1_790_604_800_000,
  stores: [
    {
      store: 'Conversation/listed',
      holds: 'the log, members and settings of a conversation',
      state: 'waiting',
      erased: 0,
      of: null,
      checked: 0,
      left: 0,
    },
  ],
} as const

const deleteTenant = operation(
  defineOperation({
    id: 'deleteTenant',
    method: 'delete',
    path: '/admin/v1/tenants/{id}',
    tag,
    summary: 'Delete a tenant with all that it has, after a grace',
    description:
      'Its callers are refused and its connections closed at once. Until the grace is over `POST …/restore` undoes it; then every store is erased and verified. Repeat it to change the grace.',
    access,
    params,
    query: deletionQuery,
    responses: { 202: deletionView },
    errors: ['conflict'],
    example: { response: exampleDeletion },
  }),
  async ({ c, params: { id }, query: { graceDays = defaultGraceDays } }) => {
    if (id === platformTenant) fail('not-found', 'id: no such tenant')
    const deletion = accepted(await tenantOf(c.env, id).requestDeletion(graceDays))
    await forgetTenant(c.env, id)
    return { status: 202, body: reportOf(id, deletion) }
  },
)

const restoreTenant = operation(
  defineOperation({
    id: 'restoreTenant',
    method: 'post',
    path: '/admin/v1/tenants/{id}/restore',
    tag,
    summary: 'Restore a deleted tenant whose grace is not over',
    access,
    params,
    responses: { 200: tenantView },
    errors: ['conflict'],
    example: { response: exampleTenant },
  }),
  async ({ c, params: { id } }) => {
    const deletion = await tenantOf(c.env, id).deletion()
    const record = accepted(await tenantOf(c.env, id).restore())
    await forgetTenant(c.env, id)
    if (deletion !== undefined) await endRun(c.env, deletionRun(id, deletion.requestedAt))
    return { status: 200, body: shown(record) }
  },
)

/** A run that cannot be told finds at the end of the grace that the tenant was restored. */
async function endRun(env: Env, run: string): Promise<void> {
  try {
    await callSaga(env, ownSagasTenant, run, (saga) => saga.cancel(run, 'the tenant is restored', 'operator'))
  } catch (thrown) {
    log.warn('tenants.run-not-ended', { ...idsOf(env.request), run, reason: reasonOf(thrown) })
  }
}

const readDeletion = operation(
  defineOperation({
    id: 'readTenantDeletion',
    method: 'get',
    path: '/admin/v1/tenants/{id}/deletion',
    tag,
    summary: 'Read how far the deletion of a tenant is, and in the end that nothing is left',
    access,
    params,
    responses: { 200: deletionView },
    example: { response: exampleDeletion },
  }),
  async ({ c, params: { id } }) => {
    const deletion = await tenantOf(c.env, id).deletion()
    if (deletion === undefined) return fail('not-found', 'id: this tenant is not deleted')
    return { status: 200, body: reportOf(id, deletion) }
  },
)

/** The end of a tenant. */
export const deletions = [deleteTenant, restoreTenant, readDeletion]
