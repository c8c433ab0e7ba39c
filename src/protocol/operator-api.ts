import { z } from 'zod'
import { jurisdiction, regionHint } from './places.ts'
import { ownLimits, planName, sharedLimits, systemLimits } from './tenant-limits.ts'

const time = z.int().describe('Milliseconds since the epoch')
const state = z.enum(['active', 'suspended', 'deleting'])

/** A tenant as its operator sees it: the ids of its keys, and never the keys. */
export const tenantView = z
  .object({
    id: z.string(),
    name: z.string(),
    state,
    eraseAt: time.optional().describe('Until then a deleted tenant can be restored'),
    placement: z.object({ shard: z.string(), epoch: z.int() }),
    jurisdiction: jurisdiction.optional(),
    region: regionHint.optional(),
    plan: z.string(),
    limits: ownLimits.meta({ id: 'OwnLimits' }),
    keys: z.array(z.object({ id: z.string(), at: time.optional() })),
  })
  .meta({ id: 'Tenant' })

/** A tenant that was just made, with its first key. */
export const createdTenant = tenantView
  .extend({ apiKey: z.string().describe('Shown this once') })
  .meta({ id: 'CreatedTenant' })

/** `GET /admin/v1/tenants`. */
export const tenantPage = z.object({
  tenants: z.array(
    z
      .object({ id: z.string(), name: z.string(), state: z.string(), shard: z.string(), at: time })
      .meta({ id: 'ListedTenant' }),
  ),
  next: z.string().nullish().describe('Cursor of the next page'),
})

/** A new API key. */
export const createdKey = z.object({ id: z.string(), at: time.optional(), apiKey: z.string() })

const plan = z.object({ limits: ownLimits, together: sharedLimits })

/** `GET /admin/v1/platform`: the plans, and the limits of all tenants together. */
export const platformView = z.object({
  plans: z.record(planName, plan),
  system: systemLimits.meta({ id: 'SystemLimits' }),
  version: z.int(),
})

/** `PUT /admin/v1/plans/:name`. */
export const namedPlan = z.object({ name: z.string(), ...plan.shape }).meta({ id: 'Plan' })

/** The plan of a tenant, and its own limits. */
export const tenantLimitsView = z.object({ plan: z.string(), limits: ownLimits })

/** `GET /admin/v1/limits/refused`: the keys that were refused most. */
export const refusedKeys = z.object({
  refused: z.array(z.object({ holder: z.string(), key: z.string(), refusals: z.int() })),
})

/** `GET /admin/v1/parked-tasks`: tasks whose process ended twice while they ran, the next to run first. */
export const parkedTasks = z.object({
  count: z.int().describe('All that are parked; at most 1,000 are listed'),
  tasks: z.array(
    z.object({
      actor: z.string().describe('<tenant>/<conversation>'),
      task: z.string(),
      lost: z.int().describe('Runs in a row that ended with their process'),
      until: time,
    }),
  ),
})

/** `GET /admin/v1/cron`. */
export const cronEntries = z.object({ entries: z.array(z.object({ name: z.string(), cron: z.string() })) })

const breakerState = z.enum(['closed', 'half-open', 'open'])

/** `GET /admin/v1/breakers`. */
export const breakersQuery = z.strictObject({
  tenant: z
    .string()
    .max(63)
    .optional()
    .describe('The hosts that this tenant named, in place of the services of the platform'),
})
export const breakerList = z.object({
  breakers: z.array(
    z.object({
      dependency: z.string().describe('The service’s name in /readyz, or a host'),
      state: breakerState,
      openings: z.int(),
      closings: z.int(),
      probes: z.int().describe('Calls that were let through while it was open'),
      transitions: z
        .array(
          z.object({
            at: time,
            to: breakerState,
            isolates: z.int().describe('Isolates that reported'),
            bad: z.int().describe('Those of them whose calls failed or were slow'),
          }),
        )
        .describe('The last twenty, the newest last'),
    }),
  ),
})

/** `POST /admin/v1/tenants/{id}/rebuild`. */
export const rebuildRequest = z.strictObject({
  mode: z
    .enum(['compare', 'differing', 'all'])
    .default('differing')
    .describe('Only compare; rebuild the conversations that differ; or rebuild all'),
  cursor: z.string().max(300).default('').describe('`next` of the answer before; empty to begin'),
  limit: z.int().min(1).max(100).default(20).describe('Conversations in this call'),
})
export const rebuildAnswer = z.object({
  checked: z.int().describe('Conversations that were looked at'),
  equal: z.int().describe('Those of which Postgres had, or has now, what their logs say'),
  rebuilt: z.array(z.string()).describe('Conversations whose rows were made again'),
  pending: z.array(z.string()).describe('Conversations that are still written: call again with the same cursor'),
  different: z
    .array(
      z
        .object({
          conversation: z.string(),
          months: z.array(z.string()).describe('Months (UTC) whose entries differ'),
          properties: z.boolean().describe('Whether its properties or members differ'),
          lost: z.int().describe('Entries that neither its log nor Postgres has: they cannot be made again'),
          isUnknown: z.boolean().describe('Postgres has rows of it, and there is no such conversation'),
        })
        .meta({ id: 'DifferentConversation' }),
    )
    .describe('Conversations that differ at the end of this call'),
  next: z.string().nullable().describe('Cursor of the next call; null when all conversations were looked at'),
})
export type RebuildAnswer = z.output<typeof rebuildAnswer>
