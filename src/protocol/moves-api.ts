import { z } from 'zod'
import { shardName } from './shards-api.ts'

/** The states of a move, in their order. `confirmed` and `reversed` end it. */
export const moveState = z.enum([
  'starting',
  'copying',
  'catching-up',
  'verifying',
  'fenced',
  'switched',
  'awaiting-confirmation',
  'clearing',
  'confirmed',
  'reversed',
])
export type MoveState = z.output<typeof moveState>

/** `POST /admin/v1/tenants/{id}/moves`. */
export const newMove = z.strictObject({
  to: shardName
    .optional()
    .describe('The shard to move to. Absent: one is chosen as for a new tenant, other than the present one'),
  rowsPerSecond: z.number().min(1).max(1_000_000).default(20_000).describe('Rows that are copied a second, at most'),
})
export type MoveOrder = z.output<typeof newMove>

const count = z.int().min(0)
const time = z.number().describe('Milliseconds since the epoch')

/** `GET /admin/v1/tenants/{id}/move`. */
export const moveView = z
  .object({
    from: z.string(),
    to: z.string(),
    serving: z.string().describe('The shard that the tenant is on now'),
    state: moveState,
    isReversing: z.boolean(),
    isPaused: z.boolean(),
    table: z.string().nullable().describe('The table that is copied, compared or deleted'),
    rows: z.object({
      estimated: count.describe('Rows of the tenant when the move began'),
      copied: count,
      perSecond: count.describe('Rows copied a second, with the waits that rowsPerSecond makes'),
      caughtUp: count.describe('Rows that were copied again, since they were written or changed meanwhile'),
      compared: count,
      differing: count.describe('Rows that were not equal when they were compared; they are copied again'),
      deleted: count.describe('Rows deleted from the shard that the tenant has left'),
    }),
    differingIn: z
      .array(z.string())
      .describe('Where rows were not equal: `<table> <conversation> <month>`, at most twenty of them'),
    pauseMs: z.int().describe('How long writes to Postgres have waited. Senders do not wait'),
    fences: z.int().describe('How often writes to Postgres were stopped: more than once when that took too long'),
    startedAt: time,
    switchedAt: time.nullable().describe('When the tenant was last served by another shard than before'),
    endedAt: time.nullable(),
    failures: z.int().describe('Failures in a row'),
    nextAt: time.nullable().describe('When the next step is due; null while the move is paused, and when it has ended'),
    error: z.string().nullable().describe('Why the last step failed'),
  })
  .meta({ id: 'Move' })
export type MoveView = z.output<typeof moveView>
