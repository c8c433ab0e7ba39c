import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { attachmentSize, fitsSurely, newSession, toAttachment } from '../../src/realtime/session.ts'

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constant('\u0000'.repeat(50)), fc.constant('ж'.repeat(50)))

test('a session that fits surely has an attachment of fewer bytes', () => {
  let sure = 0
  fc.assert(
    fc.property(
      fc.record({ client: text, tenant: text, user: text, address: text, origin: text, connection: text }),
      fc.array(fc.record({ channel: text, epoch: text, server: fc.boolean() }), { maxLength: 40 }),
      fc.integer({ min: 100, max: 16_384 }),
      (texts, subscriptions, bytes) => {
        const now = 1e15
        const session = { ...newSession(texts.client, now), ...texts, expiresAt: now, issuedAt: now, pingedAt: now }
        for (const { channel, epoch, server } of subscriptions) {
          const terms = { hidden: true, joinLeave: false, expiresAt: now, ...(server ? { server } : {}) } as const
          session.subscriptions.set(channel, { channel, epoch, skip: now, kept: now, joinLeave: false, terms })
        }
        if (!fitsSurely(session, bytes)) return
        sure++
        expect(attachmentSize(toAttachment(session))).toBeLessThan(bytes)
      },
    ),
    { numRuns: 2000 },
  )
  expect(sure).toBeGreaterThan(100)
})
