import { z } from 'zod'

/** How keys that only verify are used: ES256 and RS256 (RFC 7518 §3), EdDSA with Ed25519 (RFC 8037). */
export const publicKeyAlgorithm = z.enum(['ES256', 'EdDSA', 'RS256'])
export type PublicKeyAlgorithm = z.output<typeof publicKeyAlgorithm>

const base64Url = (length: number) =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${length}}$`), 'not base64url of the right length')

/** A point of P-256: 32 bytes each (RFC 7518 §6.2.1). */
const elliptic = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: base64Url(43), y: base64Url(43) })
/** 32 bytes (RFC 8037 §2). */
const edwards = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: base64Url(43) })
/** 2,048 to 4,096 bits (RFC 7518 §3.3 asks for at least 2,048). */
const rsa = z.object({
  kty: z.literal('RSA'),
  n: z.string().regex(/^[A-Za-z0-9_-]{342,683}$/, 'RSA keys have 2,048 to 4,096 bits'),
  e: z.literal('AQAB', 'the exponent of RSA keys is 65537, "AQAB"'),
})

/** A public key as JWK (RFC 7517). Members that it does not need are left out; a private key is refused by {@link givenPublicKey}. */
export const publicKey = z.discriminatedUnion('kty', [elliptic, edwards, rsa])
export type PublicKey = z.output<typeof publicKey>

const algorithms = { EC: 'ES256', OKP: 'EdDSA', RSA: 'RS256' } as const satisfies Record<string, PublicKeyAlgorithm>

/** The one algorithm that a key is used with. */
export const algorithmOf = ({ kty }: PublicKey): PublicKeyAlgorithm => algorithms[kty]

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const jwkSize = 4096

/**
 * A public key as a tenant gives it: a JWK, also with the members that describe it (`kid`, `alg`, `use`, `key_ops`, `ext`, `x5c`
 * and so on). Refused are private keys, other curves and algorithms.
 */
export const givenPublicKey = z
  .record(z.string(), z.unknown())
  .superRefine((jwk, context) => {
    const found = privateMembers.filter((name) => Object.hasOwn(jwk, name))
    if (found.length > 0)
      context.addIssue(
        `a private or symmetric key (it has ${found.join(', ')}); give the public part, and replace a key that left your server`,
      )
    if (JSON.stringify(jwk).length > jwkSize) context.addIssue(`at most ${jwkSize} characters`)
  })
  .transform((jwk, context) => {
    const key = publicKey.safeParse(jwk)
    if (!key.success) {
      context.addIssue(
        'not a public key for ES256 (EC, P-256), EdDSA (OKP, Ed25519) or RS256 (RSA, 2,048 to 4,096 bits)',
      )
      return z.NEVER
    }
    const algorithm = algorithmOf(key.data)
    if (jwk['alg'] !== undefined && jwk['alg'] !== algorithm) {
      context.addIssue(`alg: such a key is used with ${algorithm}`)
      return z.NEVER
    }
    if (jwk['use'] !== undefined && jwk['use'] !== 'sig') {
      context.addIssue('use: must be "sig"')
      return z.NEVER
    }
    return { key: key.data, algorithm, kid: typeof jwk['kid'] === 'string' ? jwk['kid'] : undefined }
  })
export type GivenPublicKey = z.output<typeof givenPublicKey>
