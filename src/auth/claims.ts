import { z } from 'zod'
import { capabilities, type Capability } from '../protocol/capabilities.ts'
import { carried } from '../protocol/carried.ts'
import { jsonUpTo } from '../protocol/given-json.ts'
import { carry, givenInBase64 } from '../protocol/publication-data.ts'
import { infoBytes } from '../protocol/limits.ts'
import type { PublicKey, PublicKeyAlgorithm } from '../protocol/public-keys.ts'
import { userId } from '../protocol/payloads.ts'

/** A time as JWTs have it, seconds since the epoch, in milliseconds. */
const seconds = z
  .number()
  .nonnegative()
  .transform((value) => Math.floor(value * 1000))

/** What other clients see, as it was given. */
const publicInfo = jsonUpTo(infoBytes).transform(carried)

/** The same in base64, where it may also be bytes that are not JSON. */
const publicInfoInBase64 = z
  .string()
  .max(2 * infoBytes)
  .transform((text, context) => {
    const given = givenInBase64(text)
    const said = given === undefined ? { bad: 'not base64' } : carry(given, infoBytes)
    if ('data' in said) return said.data
    context.addIssue(said.bad)
    return z.NEVER
  })

const infos = { info: publicInfo.optional(), b64info: publicInfoInBase64.optional() }
const flag = z.object({ value: z.boolean() }).optional()

/** What a token may set differently from its channel's namespace (Centrifugo's `override`). */
const override = z
  .object({
    presence: flag,
    join_leave: flag,
    force_push_join_leave: flag,
    force_recovery: flag,
    force_positioning: flag,
  })
  .default({})

const serverSubscription = z.object({
  ...infos,
  data: publicInfo.optional(),
  b64data: publicInfoInBase64.optional(),
  override,
})

const shared = {
  sub: z.union([z.literal(''), userId]).default(''),
  exp: seconds.optional(),
  iat: z
    .number()
    .transform((value) => value * 1000)
    .default(0),
  expire_at: seconds.optional(),
  ...infos,
}

/** The claims of a connection token. One with a `channel` is a token of another kind. */
export const connectionClaims = z.object({
  ...shared,
  caps: capabilities.optional(),
  channels: z.array(z.string().min(1).max(255)).max(64).default([]),
  subs: z.record(z.string().min(1).max(255), serverSubscription).default({}),
  channel: z.never().optional(),
})

/** The claims of a subscription token. */
export const subscriptionClaims = z.object({
  ...shared,
  channel: z.string().min(1).max(255),
  client: z.string().optional(),
  override,
})

/** How one subscription differs from its namespace; undefined leaves it to the namespace. */
export interface Overrides {
  /** Whether the subscription is shown in presence. */
  readonly presence?: boolean
  /** Whether its join and leave are published. */
  readonly joinLeave?: boolean
  /** Whether it receives joins and leaves without asking for them. */
  readonly pushJoinLeave?: boolean
  readonly recovery?: boolean
  /** Whether it is sent its position, also where it cannot recover. */
  readonly positioning?: boolean
}

type Flag = { readonly value: boolean } | null | undefined

/** An override as Centrifugo has it. */
export interface OverrideFlags {
  readonly presence?: Flag
  readonly join_leave?: Flag
  readonly force_push_join_leave?: Flag
  readonly force_recovery?: Flag
  readonly force_positioning?: Flag
}

/** Reads an override. */
export function readOverrides({
  presence,
  join_leave: joinLeave,
  force_push_join_leave: pushJoinLeave,
  force_recovery: recovery,
  force_positioning: positioning,
}: OverrideFlags): Overrides {
  const flags = Object.entries({ presence, joinLeave, pushJoinLeave, recovery, positioning })
  return Object.fromEntries(flags.flatMap(([name, flag]) => (flag ? [[name, flag.value]] : [])))
}

interface KeyTerms {
  readonly id: string
  /** When it stops verifying tokens, in milliseconds since the epoch. */
  readonly until?: number | undefined
}

/** A key that signs and verifies. */
export interface SecretKey extends KeyTerms {
  readonly secret: string
  readonly algorithm: 'HS256'
}

/** A key that verifies what another signed. */
export interface VerifyingKey extends KeyTerms {
  readonly publicKey: PublicKey
  readonly algorithm: PublicKeyAlgorithm
}

/** A key of tokens; the algorithm belongs to the key, never to a token's header (RFC 8725 §3.1). */
export type SigningKey = SecretKey | VerifyingKey

/**
 * The claims of a verified token. Times are in milliseconds since the epoch: `expiresAt` is when the connection ends, 0
 * for never, and `issuedAt` is 0 when the token has none.
 */
export interface Claims {
  readonly tenant: string
  /** "" for an anonymous user. */
  readonly user: string
  readonly expiresAt: number
  readonly issuedAt: number
  /** What other clients may see of the connection, as JSON text. */
  readonly info?: string
  readonly capabilities?: readonly Capability[]
  /** Channels the server subscribes the connection to. */
  readonly subscriptions?: readonly ServerSubscription[]
}

/** One server-side subscription in a token. `info` and `data` are JSON text. */
export interface ServerSubscription {
  readonly channel: string
  readonly info?: string
  readonly data?: string
  readonly overrides: Overrides
  /** When it ends, in milliseconds since the epoch. */
  readonly expiresAt?: number
  /** Refused where a position is given and the channel has no recovery. */
  readonly mustRecover?: true
}
