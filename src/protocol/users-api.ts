import { z } from 'zod'
import { isZone } from '../kernel/zone.ts'
import { jsonUpTo } from './given-json.ts'
import { sizes } from './limits.ts'
import { avatar, displayName, propertiesBytes, userId } from './payloads.ts'

/** Devices and other targets of one user. */
export const maxTargets = 50
/** Bytes of JSON of the address of a target. */
export const targetBytes = 4096
/** Users of one bulk request. */
export const maxUsersAtOnce = 1000

const time = z.int().describe('Milliseconds since the epoch')

/** A name that is shown to others, in any script. Pages escape it; HTML in it is a mistake of its sender all the same. */
export const personName = displayName
  .max(sizes.nameLength)
  .refine((value) => !/<[a-z/!?]/i.test(value), 'must not contain HTML; give the text of the name alone')

export const email = z
  .string()
  .max(254)
  .regex(
    /^[^\s@<>()[\]\\,;:"\p{Cc}]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)+[\p{L}\p{N}-]{2,63}$/u,
    'not an e-mail address, such as ada@example.com',
  )

export const phone = z
  .string()
  .regex(/^\+[1-9]\d{6,14}$/, 'a number in E.164: "+", the code of the country, then digits only, such as +4930123456')

export const locale = z
  .string()
  .max(64)
  .refine(isLocale, 'not a language tag of BCP 47, such as de, en-GB or zh-Hant-TW')

export const zone = z
  .string()
  .max(64)
  .regex(/^[A-Za-z]/, 'not an IANA time zone, such as Europe/Berlin; an offset knows no daylight saving time')
  .refine(isZone, 'not an IANA time zone, such as Europe/Berlin')

/** Properties come out as the text they were, so that no number of an id is rounded. */
const properties = jsonUpTo(propertiesBytes)
  .pipe(
    z
      .string()
      .refine(
        (text) => text.startsWith('{') || text === 'null',
        'an object of custom properties, such as {"plan": "pro"}',
      ),
  )
  .transform((text) => (text === 'null' ? null : text))
  .describe(`Custom properties: a JSON object of at most ${propertiesBytes} bytes, given back as it was`)

const fields = {
  name: personName,
  avatar: avatar.describe('An https address of a picture'),
  email,
  phone: phone.describe('E.164'),
  locale: locale.describe('BCP 47'),
  zone: zone.describe('An IANA time zone'),
}

/** `PUT /v1/users/{user}`. */
export const putUser = z.strictObject({
  name: fields.name.optional(),
  avatar: fields.avatar.optional(),
  email: fields.email.optional(),
  phone: fields.phone.optional(),
  locale: fields.locale.optional(),
  zone: fields.zone.optional(),
  properties: properties.optional(),
})

/** `PATCH /v1/users/{user}`: null removes a field. */
export const patchUser = z.strictObject({
  name: fields.name.nullable().optional(),
  avatar: fields.avatar.nullable().optional(),
  email: fields.email.nullable().optional(),
  phone: fields.phone.nullable().optional(),
  locale: fields.locale.nullable().optional(),
  zone: fields.zone.nullable().optional(),
  properties: properties
    .optional()
    .describe('Replaces properties of the same names and leaves others; null removes one'),
})

/** One user of a bulk request. */
export const bulkUser = putUser.extend({ id: userId })

/** `POST /v1/users`: each user is read by itself, so that a bad one does not keep out the others. */
export const bulkUsers = z.strictObject({
  users: z.array(jsonUpTo(sizes.bodyBytes)).min(1).max(maxUsersAtOnce),
})
export const documentedBulkUsers = z.strictObject({ users: z.array(bulkUser).min(1).max(maxUsersAtOnce) })

export const bulkResult = z
  .object({
    stored: z.int(),
    refused: z.array(
      z.object({
        index: z.int().describe('Counts in the request from 0'),
        id: z.string().nullable(),
        reason: z.string(),
      }),
    ),
  })
  .meta({ id: 'BulkUsersResult' })

export const targetTypes = ['web-push', 'fcm', 'apns', 'slack', 'discord', 'webhook'] as const
export type TargetType = (typeof targetTypes)[number]

/** Names of targets are the client's own. */
export const targetId = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.:-]{1,128}$/, 'letters, digits and _ . : - only, at most 128, not only dots')

const base64url = z.string().regex(/^[A-Za-z0-9_-]+={0,2}$/, 'base64url')
const hookUrl = z.url({ protocol: /^https$/, error: 'an https address' }).max(2048)

const webPush = z.strictObject({
  endpoint: hookUrl,
  expirationTime: z.number().nullable().optional(),
  keys: z.strictObject({ p256dh: base64url.length(87), auth: base64url.length(22) }),
})
const token = z.strictObject({
  token: z
    .string()
    .min(1)
    .max(2048)
    .regex(/^[\x21-\x7e]+$/, 'printable ASCII without spaces'),
})

/** `PUT /v1/users/{user}/targets/{id}`. A Web Push `address` is what `PushSubscription.toJSON()` gives. */
export const putTarget = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('web-push'), address: webPush }),
    z.strictObject({ type: z.literal('fcm'), address: token }),
    z.strictObject({ type: z.literal('apns'), address: token }),
    z.strictObject({ type: z.literal('slack'), address: z.strictObject({ url: hookUrl }) }),
    z.strictObject({ type: z.literal('discord'), address: z.strictObject({ url: hookUrl }) }),
    z.strictObject({ type: z.literal('webhook'), address: z.strictObject({ url: hookUrl }) }),
  ],
  `type: one of ${targetTypes.join(', ')}`,
)

export const target = z
  .object({ id: z.string(), channel: z.string(), type: z.enum(targetTypes), address: z.looseObject({}) })
  .meta({ id: 'Target' })

/** The part of a profile that every user of the tenant may read. */
const publicParts = { id: z.string(), name: z.string().optional(), avatar: z.string().optional() }

/** A user; a field that is not set is left out. */
export const user = z
  .object({
    ...publicParts,
    email: z.string().optional(),
    phone: z.string().optional(),
    locale: z.string().optional(),
    zone: z.string().optional(),
    properties: z.looseObject({}),
    targets: z.array(target),
    createdAt: time,
    updatedAt: time,
  })
  .meta({ id: 'User' })

/** A user in a list: by a user token the public parts alone. */
export const listedUser = user.partial().required({ id: true }).meta({ id: 'ListedUser' })

export const userPage = z.object({
  users: z.array(listedUser),
  next: z.string().nullable().describe('Cursor of the next page'),
})

/** `GET /v1/users`. */
export const usersQuery = z.strictObject({
  ids: z
    .string()
    .max(100 * (sizes.userLength + 1))
    .transform((text) => text.split(','))
    .pipe(z.array(userId).min(1).max(100))
    .optional()
    .describe('At most 100 ids, separated by commas; unknown ones are left out. A user token must give it.'),
  cursor: z
    .string()
    .regex(/^(?:\d|1[0-5]):[\x21-\x7e]{0,128}$/, 'not a cursor of this list; give `next` of the page before')
    .optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

/** Whether the runtime knows this as a language tag. */
export function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1
  } catch {
    return false
  }
}
