import { abortAllDurableObjects } from 'cloudflare:test'
import { afterEach, expect, test, vi } from 'vitest'
import { stopClock } from '../support/worker/clock.ts'
import { Line } from '../support/worker/line.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { postgresIsAway } from '../support/worker/shards.ts'

// All clients come back at once, with no Postgres to ask.

afterEach(() => void vi.useRealTimers())

const users = Array.from({ length: 150 }, (_, n) => `user-${n}`)

test('a storm of all clients is let in, each with exactly what was missed, without Postgres', async () => {
  const tenant = await newTenant()
  const conversation = await tenant.group('alice', ...users)
  await tenant.postMany(conversation, 'alice', 20)
  const tokens = await Promise.all(users.map((user) => tenant.token(user)))
  postgresIsAway()
  await abortAllDurableObjects()
  // In a lane that is four seconds old there is no room for them.
  stopClock()

  const channel = `conversation:${conversation}`
  const subscribe = { channel, recover: true, offset: 0, epoch: '' }
  const comeBack = async (token: string) => {
    const line = await Line.open('storm/0')
    const [, id = 0] = line.say({ connect: { token } }, { subscribe })
    return (await line.replyTo(id)).subscribe
  }
  const welcomes = await Promise.all(tokens.map((token) => comeBack(token)))
  for (const welcome of welcomes) {
    expect(welcome).toMatchObject({ recovered: true, offset: 0 })
    expect(welcome!.publications!.map(({ offset }) => offset)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
  }
})
