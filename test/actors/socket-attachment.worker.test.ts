import { describe, expect, test } from 'vitest'
import { attachmentSize } from '../../src/realtime/session.ts'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { connect, lively, namespace, ownGateway, ticketFor } from '../support/worker/topics.ts'

async function story() {
  const tenant = await newTenant()
  await namespace(tenant, 'orders', lively)
  return tenant
}

describe('state that does not fit into a socket attachment is refused, and disturbs no other connection', () => {
  test('where a single letter makes the infos twice as long', async () => {
    const tenant = await story()
    const gateway = ownGateway()
    const [alice, bob] = [
      await connect(await tenant.token('alice'), gateway),
      await connect(await tenant.token('bob'), gateway),
    ]
    const codes = []
    for (let n = 0; n < 16; n++) {
      const channel = `$orders:${n}`
      const token = await ticketFor(tenant, 'alice', channel, { info: `漢${'x'.repeat(1000)}` })
      codes.push((await alice.ask({ subscribe: { channel, token } })).error?.code)
    }
    expect(codes.filter((code) => code === undefined).length).toBeGreaterThan(5)
    expect(codes.at(-1)).toBe(106)
    expect(await bob.ask({ ping: {} })).toMatchObject({ error: { code: 108 } })
  })

  test('where the server orders much at once', async () => {
    const tenant = await story()
    // Through the Worker: server commands find only connections of the platform's own gateways.
    const [alice, bob] = [await connect(await tenant.token('alice')), await connect(await tenant.token('bob'))]
    const commands = Array.from({ length: 40 }, (_, n) => ({
      subscribe: { channel: `orders:${n}`, user: 'alice', info: 'x'.repeat(1000) },
    }))
    const { body } = await call('POST /api/batch', { as: tenant.key, body: { parallel: true, commands } })
    expect(JSON.stringify(body)).toMatch(/"code":106/)
    expect(await bob.ask({ ping: {} })).toMatchObject({ error: { code: 108 } })
    expect(await alice.ask({ ping: {} })).toMatchObject({ error: { code: 108 } })
  })
})

test.each([
  ['plain', { a: 'xyz' }, 11],
  ['of Latin letters', { a: 'xyé' }, 11],
  ['of others', { a: 'xy漢' }, 14],
])('a text %s is counted as a socket keeps it', (_, value, bytes) => {
  expect(attachmentSize(value)).toBe(bytes)
})
