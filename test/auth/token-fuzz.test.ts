import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { tenantOfKey } from '../../src/auth/api-key.ts'
import type { SigningKey } from '../../src/auth/claims.ts'
import { claimedBy, signToken, verifyToken } from '../../src/auth/token.ts'

const now = Date.UTC(2026, 10, 22)
const key: SigningKey = { id: 'k', secret: 'n'.repeat(43), algorithm: 'HS256' }
const verify = (token: string) => verifyToken(token, 'acme', [key], now)

const part = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')),
)

test('whatever is shown as a token is refused without a fuss', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(part).map((parts) => parts.join('.')),
      ),
      async (text) => {
        claimedBy(text)
        expect(await verify(text)).toEqual({ kind: 'invalid' })
      },
    ),
    { numRuns: 500 },
  )
})

test('a token that was changed anywhere proves nothing, unless it still says the same', async () => {
  const users = fc.stringMatching(/^[\x21-\x7e]{1,40}$/).filter((user) => user !== '.' && user !== '..')
  await fc.assert(
    fc.asyncProperty(users, fc.nat(), fc.stringMatching(/^[\w.-]$/), async (user, at, other) => {
      const token = await signToken(key, { tenant: 'acme', user, expiresAt: now + 60_000 }, now)
      const index = at % token.length
      const changed = token.slice(0, index) + other + token.slice(index + 1)
      const [before, after] = [await verify(token), await verify(changed)]
      expect(before).toMatchObject({ kind: 'verified', claims: { user } })
      // The last character of a part of base64 may carry bits that mean nothing.
      if (after.kind === 'verified') expect([after, bytesOf(changed)]).toEqual([before, bytesOf(token)])
    }),
    { numRuns: 300 },
  )
})

test('a key names its tenant or none, whatever it looks like', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^parley_.*$/)), (text) => {
      expect(tenantOfKey(text) ?? 'a-tenant').toMatch(/^[a-z0-9-]{1,63}$/)
    }),
  )
})

const bytesOf = (token: string) => token.split('.').map((each) => Buffer.from(each, 'base64url').toString('hex'))
