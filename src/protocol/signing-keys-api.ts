import { z } from 'zod'
import { givenPublicKey, publicKeyAlgorithm } from './public-keys.ts'

/** Signing keys of a tenant at one time, those that end soon included. */
export const maxSigningKeys = 10

export const signingKeyId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'not the id of a signing key')

/** A key whose private part the caller keeps. */
const publicPart = givenPublicKey
  .optional()
  .describe('A public key as JWK, for ES256, EdDSA or RS256; without it a key with a secret is made')

/** `POST /v1/signing-keys`. */
export const signingKeyRequest = z.strictObject({
  publicKey: publicPart,
  id: signingKeyId.optional().describe('The `kid` of its tokens; without it that of the JWK, else a new one'),
})

/** `POST /v1/signing-keys/:key/rotate`: for how long the old key still verifies. */
export const rotation = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(90 * 86_400)
    .default(86_400),
  publicKey: publicPart,
  id: signingKeyId.optional().describe('The id of the new key'),
})

const id = z.string().describe('The `kid` of tokens that the key signs')
const algorithm = z.enum(['HS256', ...publicKeyAlgorithm.options])

/** A new signing key; its secret, if it has one, is shown this once. */
export const newSigningKey = z
  .object({ id, algorithm, secret: z.string().optional(), at: z.int().optional() })
  .meta({ id: 'NewSigningKey' })

/** `GET /v1/signing-keys`. Times in milliseconds since the epoch. */
export const signingKeyList = z.object({
  keys: z.array(
    z
      .object({
        id,
        algorithm,
        at: z.int().optional().describe('When it was made; the first key of a tenant has no time'),
        until: z.int().optional().describe('When a rotated key stops to verify'),
        issues: z.boolean().describe('POST /v1/tokens signs with it'),
      })
      .meta({ id: 'SigningKey' }),
  ),
})
