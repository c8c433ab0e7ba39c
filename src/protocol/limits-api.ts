import { z } from 'zod'
import { isPlainText } from '../kernel/text.ts'

/** Policies one tenant may have, checks in one request. */
export const maxPolicies = 100
export const maxChecks = 100

/** A policy's name, also used in RateLimit fields: so no characters that need escaping. */
export const policyName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and inner dashes, at most 63')

/** What is limited: a user id, an address, a path of the customer's own. */
export const limitKey = z.string().min(1).max(256).refine(isPlainText, 'no control characters')

const aDayTimes = (days: number) => days * 86_400

const limitOf = z.int('a whole number').min(1).max(1e9)
const windowSeconds = z.int('a whole number').min(1).max(aDayTimes(31))

/** One window: units per seconds. Concurrency has no window, only buckets have a burst. */
export const policyWindow = z
  .discriminatedUnion(
    'algorithm',
    [
      z.strictObject({
        algorithm: z.enum(['token-bucket', 'gcra']),
        limit: limitOf,
        windowSeconds,
        burst: limitOf.optional(),
      }),
      z.strictObject({ algorithm: z.enum(['sliding-window', 'fixed-window']), limit: limitOf, windowSeconds }),
      z.strictObject({ algorithm: z.literal('concurrency'), limit: limitOf }),
    ],
    'one of token-bucket, gcra, sliding-window, fixed-window, concurrency',
  )
  .refine(
    // A bucket counts in units × milliseconds, which must stay whole numbers.
    (window) =>
      !('windowSeconds' in window) ||
      Math.max(window.limit, 'burst' in window ? (window.burst ?? 0) : 0) * window.windowSeconds * 1000 <= 2 ** 52,
    'limit, windowSeconds: together beyond what can be counted exactly; take a shorter window',
  )

const shared = {
  /** `hard`: never exceeded. `soft`: by a tenth at most, for fewer calls when the limit is near. */
  mode: z.enum(['hard', 'soft']).default('hard'),
  /**
   * What applies while the limiter cannot be reached: each machine keeps the limit alone, or every check is refused.
   */
  whenUnreachable: z.enum(['open', 'closed']).default('open'),
}

const severalWindows = z.strictObject({ windows: z.array(policyWindow).min(1).max(5), ...shared })

/** `PUT /v1/limits/policies/:name`. One window may be written flat, as most policies have only that. */
export const newPolicy = z.preprocess(asWindows, severalWindows)

/** The same as documentation shows it: several windows, or one of them flat. */
export const writtenPolicy = z
  .union([
    severalWindows,
    z.strictObject({
      algorithm: z.enum(['token-bucket', 'gcra', 'sliding-window', 'fixed-window', 'concurrency']),
      limit: limitOf,
      windowSeconds: windowSeconds.optional().describe('For every algorithm but concurrency'),
      burst: limitOf.optional().describe('For token-bucket and gcra'),
      ...shared,
    }),
  ])
  .meta({ id: 'NewRateLimitPolicy' })

function asWindows(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || 'windows' in body) return body
  const { mode, whenUnreachable, ...window } = { mode: undefined, whenUnreachable: undefined, ...body }
  return { windows: [window], mode, whenUnreachable }
}

/** A policy as its tenant's record keeps it; `version` grows with each change. */
export const storedPolicy = z.strictObject({
  windows: z.array(policyWindow),
  mode: z.enum(['hard', 'soft']),
  whenUnreachable: z.enum(['open', 'closed']),
  version: z.int().positive(),
})
export type StoredPolicy = z.output<typeof storedPolicy>

const cost = z.int('a whole number of units').min(1, 'at least 1').max(1e9).default(1)

/** `POST /v1/limits/check`. */
export const check = z.strictObject({ policy: policyName, key: limitKey, cost })

/** `POST /v1/limits/check-batch`. With `allOrNone` one refusal refuses all, and what the others took is returned. */
export const checkBatch = z.strictObject({
  checks: z.array(check).min(1).max(maxChecks),
  allOrNone: z.boolean().default(false),
})

/** `POST /v1/limits/peek` and `POST /v1/limits/reset`. */
export const keyOfPolicy = z.strictObject({ policy: policyName, key: limitKey })

/** `POST /v1/limits/reserve`: units kept until they are released, at most `ttlSeconds`. */
export const reserve = z.strictObject({
  policy: policyName,
  key: limitKey,
  cost,
  ttlSeconds: z.int().min(1).max(3600).default(60),
})

/**
 * `POST /v1/limits/release`: `used` of the reserved units were really used; by default all, and none of a concurrency.
 */
export const release = z.strictObject({
  policy: policyName,
  key: limitKey,
  reservation: z.int().positive(),
  used: z.int().min(0).optional(),
})

const milliseconds = z.number()

/** The answer to a check: refused is an answer, not an error. */
export const checkAnswer = z
  .object({
    allowed: z.boolean(),
    remaining: z.number(),
    limit: z.number(),
    retryAfterMs: milliseconds,
    resetMs: milliseconds,
    error: z
      .enum(['too-many-requests', 'unavailable'])
      .optional()
      .describe(
        'In a batch: why this check was not decided. `too-many-requests`: too many keys are in use at once; `unavailable`: the key could not be reached and its policy is `closed`. Nothing was taken',
      ),
  })
  .meta({ id: 'CheckAnswer' })
export type CheckAnswer = Readonly<z.output<typeof checkAnswer>>

/** `POST /v1/limits/check-batch`: an answer each, or with `allOrNone` one for all. */
export const checkBatchAnswer = z.union([
  z.object({ results: z.array(checkAnswer) }),
  z.object({
    allowed: z.boolean(),
    refused: z.int().nullable().describe('The place of the first check that refused'),
    retryAfterMs: milliseconds,
  }),
])

/** `POST /v1/limits/peek`. */
export const keyState = z.object({
  remaining: z.number(),
  limit: z.number(),
  resetMs: milliseconds,
  leased: z.number().describe('Units lent out and not yet accounted for'),
})

/** `POST /v1/limits/reserve`. */
export const reserveAnswer = z.union([
  z.object({ reserved: z.literal(true), reservation: z.int(), expiresInMs: milliseconds, remaining: z.number() }),
  z.object({ reserved: z.literal(false), retryAfterMs: milliseconds }),
])

/** A policy as the API shows it. */
export const namedPolicy = z
  .object({
    name: z.string(),
    ...storedPolicy.shape,
    overshootBound: z.number().describe('By how much the limit may be exceeded; 0 when it is hard'),
  })
  .meta({ id: 'RateLimitPolicy' })
