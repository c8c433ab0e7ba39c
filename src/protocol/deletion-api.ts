import { z } from 'zod'

/** How long a deleted tenant can be restored, in days, unless the operator says otherwise. */
export const defaultGraceDays = 7
export const maxGraceDays = 90

const time = z.int().describe('Milliseconds since the epoch')

/** `DELETE /admin/v1/tenants/:id`. */
export const deletionQuery = z.strictObject({
  graceDays: z.coerce
    .number()
    .pipe(z.int().min(0).max(maxGraceDays))
    .optional()
    .describe(`Days in which the tenant can be restored; ${defaultGraceDays} when it is not given, 0 for none`),
})

/** How far the erasure of one store is. */
const storeView = z
  .object({
    store: z.string().describe('A table, a class of actors, `redis` or `qstash`; of some classes in two parts'),
    holds: z.string(),
    state: z.enum(['waiting', 'erasing', 'erased', 'verifying', 'empty']),
    erased: z.int().describe('Rows, actors or keys that were erased'),
    of: z.int().nullable().describe('How many there were; null where only the erasure tells'),
    checked: z.int().describe('Databases, actors or parts that the verification looked at'),
    left: z.int().describe('What the verification still found'),
  })
  .meta({ id: 'ErasedStore' })

/** `GET /admin/v1/tenants/:id/deletion`: progress, and in the end the proof. */
export const deletionView = z
  .object({
    tenant: z.string(),
    phase: z.enum(['grace', 'fencing', 'erasing', 'verifying', 'deleted']),
    requestedAt: time,
    eraseAt: time.describe('Until then the tenant can be restored'),
    startedAt: time.nullable().describe('When the erasure began'),
    endedAt: time.nullable().describe('When nothing was left'),
    rounds: z.int().describe('How often something was found left and erased again'),
    waitsFor: z.string().nullable().describe('What is waited for now'),
    failure: z.string().nullable().describe('Why the last attempt failed; it is repeated'),
    nextAt: time.nullable().describe('When it goes on'),
    stores: z.array(storeView),
  })
  .meta({ id: 'TenantDeletion' })
export type DeletionView = z.output<typeof deletionView>
