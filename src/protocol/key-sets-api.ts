import { z } from 'zod'
import { publicKeyAlgorithm } from './public-keys.ts'

/** Addresses of key sets that a tenant has at a time. */
export const maxKeySets = 3

export const keySetName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'lower-case letters, digits and dashes, at most 32')

/** `PUT /v1/key-sets/:name`. */
export const newKeySet = z.strictObject({
  url: z.string().max(2048).describe('An https address that answers with a JSON Web Key Set (RFC 7517 §5)'),
})

/** A key set as Parley knows it. Times in milliseconds since the epoch. */
export const keySetView = z
  .object({
    name: z.string(),
    url: z.string(),
    keys: z.array(z.object({ id: z.string(), algorithm: publicKeyAlgorithm })),
    fetchedAt: z.int().describe('When its keys were last fetched; they verify for a day from then'),
    failure: z.string().optional().describe('Why the last attempt to fetch them failed'),
  })
  .meta({ id: 'KeySet' })

export const keySetList = z.object({ keySets: z.array(keySetView) })
