import { expect, test } from 'vitest'
import { pingSeconds } from '../../src/realtime/liveness.ts'
import { Device } from './device.ts'
import { Rows, shardWriter, tenant, tokenMaker } from './neighbours.ts'
import { Setting } from './setting.ts'

const gateway = 'eu/0'
const beatMs = pingSeconds * 1000

/** A gateway with these users connected; it sleeps between two pings, as idle gateways do. */
async function sleepyGateway(users: readonly string[]) {
  const neighbours = (world: Setting['world']) => ({ ShardWriter: shardWriter(world, new Rows()) })
  const setting = await Setting.of(1, { faults: 0, weather: {} }, neighbours, { LINKS: 'off' })
  const token = tokenMaker(tenant, await setting.admit(tenant))
  const told = { joined: () => undefined, heard: () => undefined }
  const devices = users.map((user) => new Device({ world: setting.world, user, gateway, channels: [], token, told }))
  for (const device of devices) device.come()
  await setting.until('all are connected', () => devices.every(({ isOpen }) => isOpen))
  const host = setting.world.host('Gateway', gateway)
  const beat = async () => {
    await setting.pass(beatMs - 5000)
    host.sleep()
    await setting.pass(5000)
  }
  return { setting, host, devices, beat }
}

test('a gateway whose connections do nothing writes its alarm with each ping, and no other row', async () => {
  const { setting, host, beat } = await sleepyGateway(['alice', 'bob', 'carol'])
  for (let n = 0; n < 3; n++) await beat()
  const before = host.disk.written.length
  for (let n = 0; n < 8; n++) await beat()
  const written = host.disk.written.slice(before)
  expect(host.sleeps).toBeGreaterThanOrEqual(10)
  expect(written.filter(({ kind }) => kind !== 'alarm')).toEqual([])
  expect(written.length).toBeLessThanOrEqual(9)
  setting.close()
})

test('a connection that no longer answers is closed two pings later, also by a gateway that slept meanwhile', async () => {
  const { setting, host, devices, beat } = await sleepyGateway(['alice', 'bob', 'carol'])
  for (let n = 0; n < 3; n++) await beat()
  // The line of the connection that keeps the time of the ping is dead, and no close frame arrives.
  const [dead] = host.sockets
  if (dead === undefined) throw new Error('there is no socket')
  dead.hear = () => undefined
  for (let n = 0; n < 3; n++) await beat()
  expect(host.sockets.has(dead)).toBe(false)
  expect(devices.filter(({ isOpen }) => isOpen).length).toBeGreaterThanOrEqual(2)
  expect(host.sockets.size).toBeGreaterThanOrEqual(2)
  setting.close()
})
