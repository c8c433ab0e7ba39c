import { expect, test } from 'vitest'
import { Device } from './device.ts'
import { Rows, shardWriter, tenant, tokenMaker } from './neighbours.ts'
import { Setting } from './setting.ts'

const pairs = 60
/** The actors that keep the message limits of a tenant's users. */
const limiters = 4

/** What happens until each of `pairs` new conversations has its first message, all sent at once by users of one gateway. */
async function firstMessages() {
  const neighbours = (world: Setting['world']) => ({ ShardWriter: shardWriter(world, new Rows()) })
  const setting = await Setting.of(1, { faults: 0, weather: {} }, neighbours, { LINKS: 'off' })
  const { world } = setting
  try {
    const token = tokenMaker(tenant, await setting.admit(tenant))
    const told = { joined: () => undefined, heard: () => undefined }
    const devices: Device[] = []
    for (let n = 0; n < pairs; n++) {
      const members = [`alice-${n}`, `bob-${n}`]
      const wanted = { tenant, id: `pair-${n}`, type: 'group', name: 'pair', members, createdBy: members[0] }
      await setting.call('Conversation', `${tenant}/pair-${n}`, 'create', wanted)
      const channels = [`conversation:pair-${n}`]
      devices.push(new Device({ world, user: `alice-${n}`, gateway: 'eu/0', channels, token, told }))
    }
    for (const device of devices) device.come()
    await setting.until('all are subscribed', () => devices.every(({ isListening }) => isListening))
    await setting.pass(30_000)

    const written = () =>
      [...world.hosts].flatMap(([name, { kind, disk }]) =>
        disk.written.map((one, place) => ({ at: `${name} ${place}`, kind, one })),
      )
    const before = new Set(written().map(({ at }) => at))
    world.trace = []
    let answered = 0
    devices.forEach((device, n) => {
      const data = { conversation: `pair-${n}`, clientId: `first-${n}`, text: 'Hungry?' }
      device.ask({ rpc: { method: 'message.send', data } }, () => answered++)
    })
    await setting.until('all are answered', () => answered === pairs)
    const calls = world.trace.flatMap((line) => / (\S+) \S* < (\S+) /.exec(line)?.slice(1).join('.') ?? [])
    return { calls, written: written().filter(({ at }) => !before.has(at)) }
  } finally {
    setting.close()
  }
}

test('first messages of many users at once call few limiters, which write a row each, and their conversations once', async () => {
  const { calls, written } = await firstMessages()
  const limiterCalls = calls.filter((call) => call.startsWith('RateLimiter'))
  expect(limiterCalls.length).toBeLessThanOrEqual(2 * limiters)
  expect(written.filter(({ kind }) => kind === 'RateLimiter').length).toBeLessThanOrEqual(limiters)

  expect(calls.filter((call) => call === 'Conversation.execute')).toHaveLength(pairs)
  // A message is one row, beside the alarm of the tasks that follow it.
  const ofConversations = written.filter(({ kind }) => kind === 'Conversation').map(({ one }) => one)
  expect(ofConversations.filter(({ kind }) => kind === 'alarm')).toHaveLength(pairs)
  expect(ofConversations.filter(({ kind }) => kind !== 'alarm')).toHaveLength(pairs)
})

test('a conversation and its first messages set one alarm, and are one batch for Postgres', async () => {
  const neighbours = (world: Setting['world']) => ({ ShardWriter: shardWriter(world, new Rows()) })
  const setting = await Setting.of(1, { faults: 0, weather: {} }, neighbours, { LINKS: 'off' })
  const { world } = setting
  try {
    const token = tokenMaker(tenant, await setting.admit(tenant))
    const told = { joined: () => undefined, heard: () => undefined }
    const device = new Device({ world, user: 'alice', gateway: 'eu/0', channels: [], token, told })
    device.come()
    await setting.pass(3000)
    world.trace = []
    const wanted = { tenant, id: 'pair', type: 'group', name: 'pair', members: ['alice', 'bob'], createdBy: 'alice' }
    await setting.call('Conversation', `${tenant}/pair`, 'create', wanted)
    let answered = 0
    for (let n = 0; n < 3; n++) {
      await setting.pass(1500)
      const data = { conversation: 'pair', clientId: `message-${n}`, text: 'Hungry?' }
      device.ask({ rpc: { method: 'message.send', data } }, () => answered++)
    }
    await setting.until('all are answered', () => answered === 3)
    const written = [...world.hosts].flatMap(([name, { disk }]) =>
      name.endsWith(`${tenant}/pair`) ? disk.written.map(({ kind }) => kind) : [],
    )
    expect(written.filter((kind) => kind === 'alarm')).toHaveLength(1)
    await setting.pass(20_000)
    const calls = world.trace.flatMap((line) => / (\S+) \S* < (\S+) /.exec(line)?.slice(1).join('.') ?? [])
    expect(calls.filter((call) => call === 'ShardWriter.write')).toHaveLength(1)
  } finally {
    setting.close()
  }
})
