import { z } from 'zod'

/** Routes of one tenant, and what they may have together, in bytes of JSON. */
export const maxRoutes = 100
export const maxRoutesBytes = 262_144
export const maxAllowed = 1000
export const keyLength = 256

const time = z.int().describe('Milliseconds since the epoch')

/** The name of a route; it stands in the path of requests. */
export const facadeRouteName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, 'lower-case letters, digits and - inside, at most 64')

const fieldName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, 'the name of a header or cookie, at most 64 characters')

const upstream = z.strictObject({
  url: z.string().min(1).max(2048).describe('The address that paths are appended to, without query and fragment'),
  timeoutMs: z.int().min(100).max(600_000).default(30_000).describe('Until the headers of the response'),
})

const key = z.union(
  [
    z.strictObject({ from: z.enum(['user', 'path']) }),
    z.strictObject({ from: z.enum(['header', 'cookie']), name: fieldName }),
  ],
  'must be {"from": "user"}, {"from": "path"}, {"from": "header", "name": …} or {"from": "cookie", "name": …}',
)

export const facadeMethods = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** Why a request may go to the other side. `timeout`: no answer in time, or a broken connection. */
export const fallbackReasons = ['5xx', 'timeout', 'breaker'] as const

const fallback = z.strictObject({
  on: z
    .array(z.enum(fallbackReasons))
    .max(3)
    .default([...fallbackReasons]),
  unsafe: z.boolean().default(false).describe('Also POST and PATCH, which may then have their effect on both sides'),
  both: z.boolean().default(false).describe('Requests of the legacy side go to the new one as well'),
  replayBytes: z.int().min(0).max(1_048_576).default(65_536).describe('Longer bodies are sent once'),
})

const percent = z.number().min(0).max(100)

const shadow = z.strictObject({
  percent: percent.default(0).describe('The share of requests that the other side is sent as well'),
  unsafe: z.boolean().default(false).describe('Also requests that are not GET, HEAD or OPTIONS'),
  timeoutMs: z.int().min(100).max(30_000).default(5000),
  bodyBytes: z.int().min(0).max(262_144).default(65_536).describe('What is compared of a body'),
  ignore: z
    .strictObject({
      headers: z.array(fieldName).max(100).default([]),
      json: z
        .array(z.string().regex(/^\/.{0,255}$/, 'a JSON pointer, * for any segment: /items/*/updatedAt'))
        .max(100)
        .default([]),
    })
    .prefault({}),
  values: z.boolean().default(false).describe('Reports contain the values that differ'),
})

const rollback = z.strictObject({
  windowSeconds: z.int().min(10).max(600).default(60),
  minCalls: z
    .int()
    .min(10)
    .max(100_000)
    .default(50)
    .describe('Calls of the new side in the window; with fewer nothing is judged'),
  errorMargin: z.number().min(0).max(100).default(2).describe('Percentage points of the error rate'),
  p95Margin: z.number().min(0).max(10_000).default(50).describe('Percent of the 95th percentile'),
})

const schedule = z.strictObject({
  steps: z.array(z.number().gt(0).max(100)).min(1).max(20).default([1, 5, 25, 50, 100]),
  stepSeconds: z.int().min(10).max(2_592_000).default(3600),
})

const fields = {
  legacy: upstream,
  new: upstream,
  key: key.describe('What decides the side of a request'),
  allow: z
    .array(z.string().min(1).max(keyLength))
    .max(maxAllowed)
    .default([])
    .describe('Keys that are always on the new side'),
  methods: z
    .array(z.enum(facadeMethods))
    .min(1)
    .max(7)
    .exactOptional()
    .describe('Others go to legacy; all when it is not given'),
  fallback: fallback.prefault({}),
  shadow: shadow.prefault({}),
  rollback: rollback.nullable().prefault({}),
  schedule: schedule.nullable().default(null),
}

/** A route without the share that it has now. */
const facadeDefinition = z.object(fields)
export type FacadeDefinition = z.output<typeof facadeDefinition>

/** `PUT /v1/facade-routes/{name}`. */
export const newFacadeRoute = z
  .strictObject({
    ...fields,
    percent: percent
      .exactOptional()
      .describe('The share of keys on the new side. Without it the share stays; a new route begins with 0'),
  })
  .meta({ id: 'NewFacadeRoute' })

export const facadeStates = ['active', 'killed', 'rolled-back'] as const

const sideFigures = z.object({ calls: z.int(), errors: z.int(), p95Ms: z.number().nullable() })

/** A route as it stands. */
export const facadeRouteView = z
  .object({
    name: z.string(),
    version: z.int(),
    state: z.enum(facadeStates),
    percent: z.number().describe('The share of keys on the new side while the state is active'),
    switchesAt: time.nullable().describe('When this percent comes into force everywhere; null when it is in force'),
    changedAt: time,
    nextStepAt: time.nullable(),
    definition: facadeDefinition.describe('The definition, with the defaults that apply'),
    window: z.object({
      legacy: sideFigures,
      new: sideFigures,
      fallbacks: z.int(),
      shadows: z.object({ same: z.int(), different: z.int(), failed: z.int(), skipped: z.int() }),
    }),
  })
  .meta({ id: 'FacadeRoute' })

export const facadeRoutesQuery = z.strictObject({
  after: facadeRouteName.exactOptional().describe('The name to continue behind'),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

export const facadeRoutePage = z.object({
  routes: z.array(z.object({ name: z.string(), version: z.int(), state: z.enum(facadeStates), percent: z.number() })),
  next: z.string().nullable(),
})

const reason = z.string().min(1).max(500)

export const facadeKill = z.strictObject({ reason })
export const facadeResume = z.strictObject({
  reason,
  percent: percent.exactOptional().describe('By default the share from before a kill, and 0 after a rollback'),
})

export const facadePageQuery = z.strictObject({
  before: z.coerce.number().int().min(1).exactOptional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

export const facadeActions = ['put', 'kill', 'resume', 'step', 'rollback'] as const

export const facadeVersionPage = z.object({
  versions: z.array(
    z.object({
      version: z.int(),
      at: time,
      action: z.enum(facadeActions),
      by: z.string().describe('The id of the API key, or `schedule` or `rollback`'),
      reason: z.string().nullable(),
      state: z.enum(facadeStates),
      percent: z.number(),
      definition: facadeDefinition,
    }),
  ),
  next: z.int().nullable(),
})

export const changes = ['changed', 'only-legacy', 'only-new', 'not-compared'] as const

const difference = z.object({
  at: z.string().describe('`status`, `header <name>`, `body`, or a JSON pointer'),
  change: z.enum(changes),
  legacy: z.string().exactOptional(),
  new: z.string().exactOptional(),
})

/** One shadowed request whose answers differ. */
export const differenceReport = z.object({
  at: time,
  version: z.int(),
  method: z.string(),
  path: z.string(),
  answered: z.enum(['legacy', 'new']).describe('The side whose answer the client got'),
  partial: z.boolean().describe('A body was too large: its beginning was compared'),
  differences: z.array(difference),
  more: z.int().describe('Differences that are left out'),
})
export type Difference = z.output<typeof difference>
export type DifferenceReport = z.output<typeof differenceReport>

export const facadeDifferencePage = z.object({
  differences: z.array(differenceReport.extend({ id: z.int() })),
  next: z.int().nullable(),
})
