import { z } from 'zod'

/** Signing keys of a tenant at one time, those that end soon included. */
export const maxSigningKeys = 10

export const signingKeyId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'not the id of a signing key')

/** `POST /v1/signing-keys/:key/rotate`: for how long the old key still verifies. */
export const rotation = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(90 * 86_400)
    .default(86_400),
})
