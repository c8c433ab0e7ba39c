import { afterEach, describe, expect, test } from 'vitest'
import { Device } from './device.ts'
import { Rows, shardWriter, tenant, tokenMaker } from './neighbours.ts'
import { Setting } from './setting.ts'
import type { Pub, Subscribed } from './wire.ts'

/** Users that connect to a real gateway, with their real inboxes and conversations. */
class Scene {
  readonly setting: Setting
  readonly #token: (user: string, expiresAt: number) => string
  /** What each user's device heard of its inbox. */
  readonly heard = new Map<string, Pub['data'][]>()
  readonly replies: Subscribed[] = []

  static async open(): Promise<Scene> {
    const neighbours = (world: Setting['world']) => ({ ShardWriter: shardWriter(world, new Rows()) })
    const setting = await Setting.of(1, { faults: 0, weather: {} }, neighbours, { LINKS: 'off' })
    return new Scene(setting, tokenMaker(tenant, await setting.admit(tenant)))
  }

  private constructor(setting: Setting, token: (user: string, expiresAt: number) => string) {
    this.setting = setting
    this.#token = token
  }

  device(user: string, gateway = 'eu/0', channels: readonly string[] = []): Device {
    const heard: Pub['data'][] = []
    this.heard.set(user, heard)
    const told = {
      joined: (channel: string, result: Subscribed) => {
        if (channel === `user:#${user}`) this.replies.push(result)
      },
      heard: (channel: string, { data }: Pub) => {
        if (channel === `user:#${user}`) heard.push(data)
      },
    }
    return new Device({ world: this.setting.world, user, gateway, channels, token: this.#token, told })
  }

  async come(device: Device): Promise<void> {
    device.come()
    await this.setting.until('the device is subscribed', () => device.isListening)
  }

  async goAndReturn(device: Device): Promise<void> {
    device.leave()
    await this.setting.pass(3000)
    await this.come(device)
  }

  async create(id: string, members: readonly string[]): Promise<void> {
    const wanted = { tenant, id, type: 'group', name: id, members, createdBy: members[0] }
    await this.setting.call('Conversation', `${tenant}/${id}`, 'create', wanted)
    await this.setting.pass(3000)
  }

  /** The calls of inboxes, and what these wrote, while something happens. */
  async costOf(happens: () => Promise<void>): Promise<{ readonly calls: string[]; readonly rows: number }> {
    const { world } = this.setting
    const written = () =>
      [...world.hosts.values()]
        .filter(({ kind }) => kind.startsWith('Inbox'))
        .reduce((sum, { disk }) => sum + disk.written.length, 0)
    const before = written()
    world.trace = []
    await happens()
    const calls = world.trace.flatMap((line) => / (Inbox\w*) \S* < (\S+) /.exec(line)?.slice(1).join('.') ?? [])
    return { calls, rows: written() - before }
  }
}

let scene: Scene
afterEach(() => scene.setting.close())

describe('a user that returns to their gateway a moment later', () => {
  test('costs no call of their inbox and no row, and has recovered', async () => {
    scene = await Scene.open()
    const alice = scene.device('alice')
    await scene.come(alice)
    const cost = await scene.costOf(async () => {
      for (let n = 0; n < 3; n++) await scene.goAndReturn(alice)
    })
    expect(cost).toEqual({ calls: [], rows: 0 })
    expect(scene.replies).toHaveLength(4)
    expect(scene.replies.slice(1).every(({ recovered }) => recovered)).toBe(true)
  })

  test('is notified that they were added to a conversation meanwhile, and receives it from then on', async () => {
    scene = await Scene.open()
    const alice = scene.device('alice')
    await scene.come(alice)
    await scene.goAndReturn(alice)
    alice.leave()
    await scene.setting.pass(1000)
    await scene.create('lunch', ['bob', 'alice'])
    await scene.come(alice)
    const listed = () => scene.heard.get('alice')?.some((data) => JSON.stringify(data).includes('"lunch"'))
    await scene.setting.until('the conversation is listed', () => listed() === true)

    const bob = scene.device('bob', 'eu/0', ['conversation:lunch'])
    await scene.come(bob)
    const data = { conversation: 'lunch', clientId: 'first', text: 'Hungry?' }
    bob.ask({ rpc: { method: 'message.send', data } }, () => undefined)
    const unread = () => scene.heard.get('alice')?.some((event) => JSON.stringify(event).includes('"unread":1'))
    await scene.setting.until('the message is counted', () => unread() === true)
  })

  test('is kept out by a revocation of their token, from the moment that it is confirmed', async () => {
    scene = await Scene.open()
    const alice = scene.device('alice')
    await scene.come(alice)
    alice.leave()
    await scene.setting.pass(1000)
    await scene.setting.call('Inbox', `${tenant}/alice`, 'revoke')
    alice.come()
    await scene.setting.until('alice is turned away', () => alice.trouble.length > 0)
    expect(alice.trouble[0]).toBe('alice was turned away with 3500')
    expect(alice.arrivals).toBe(1)
  })

  test('is kept out also when the revocation closed their connection', async () => {
    scene = await Scene.open()
    const alice = scene.device('alice')
    await scene.come(alice)
    await scene.setting.call('Inbox', `${tenant}/alice`, 'revoke')
    await scene.setting.until('alice is turned away twice', () => alice.trouble.length > 1)
    expect(alice.arrivals).toBe(1)
  })

  test('is not counted twice: other gateways admit as many connections as are left', async () => {
    scene = await Scene.open()
    const pass = { issuedAt: 1, connections: 2, atMost: 2 }
    const alice = scene.device('alice')
    await scene.come(alice)
    alice.leave()
    await scene.setting.pass(1000)
    // Another gateway admits both: the first gateway is asked before that, and asks the inbox from then on.
    const commands = [{ kind: 'subscribe', joinLeave: false, user: 'alice', client: 'x', pass }]
    const call = { gateway: 'us/0', have: null, subscribed: 0, commands }
    const answer = await scene.setting.call('Inbox', `${tenant}/alice`, 'execute', call)
    expect(answer).toMatchObject({ results: [{ kind: 'subscribed' }] })
    const cost = await scene.costOf(async () => await scene.come(alice))
    expect(cost.calls).toContain('Inbox.execute')
  })
})

test('a user that was away for an hour is sent the unread counts of that hour', async () => {
  scene = await Scene.open()
  await scene.create('lunch', ['bob', 'alice'])
  const laptop = scene.device('alice')
  await scene.come(laptop)
  laptop.leave()
  // A device without a position, of a user whose list did not change for a while.
  for (let n = 0; n < 60; n++) await scene.setting.pass(30_000)
  const phone = scene.device('alice')
  const bob = scene.device('bob', 'eu/0', ['conversation:lunch'])
  await scene.come(phone)
  await scene.come(bob)
  phone.leave()
  await scene.setting.pass(1000)
  const data = { conversation: 'lunch', clientId: 'first', text: 'Hungry?' }
  bob.ask({ rpc: { method: 'message.send', data } }, () => undefined)
  for (let n = 0; n < 120; n++) await scene.setting.pass(30_000)
  await scene.come(phone)
  const unread = () => scene.heard.get('alice')?.some((event) => JSON.stringify(event).includes('"unread":1'))
  await scene.setting.until('the message is counted', () => unread() === true)
})

test('forty users that return within a fifth of a second are subscribed to their conversation by a call in four at most', async () => {
  scene = await Scene.open()
  const users = Array.from({ length: 40 }, (_, n) => `user-${n}`)
  await scene.create('lunch', users)
  const devices = users.map((user) => scene.device(user, 'eu/0', ['conversation:lunch']))
  for (const device of devices) device.come()
  await scene.setting.until('all are subscribed', () => devices.every(({ isListening }) => isListening))
  for (const device of devices) device.leave()
  await scene.setting.pass(3000)

  const { world } = scene.setting
  world.trace = []
  for (const device of devices) {
    device.come()
    await scene.setting.pass(5)
  }
  await scene.setting.until('all are back', () => devices.every(({ isListening }) => isListening))
  const calls = world.trace.filter((line) => / Conversation \S* < execute /.test(line))
  expect(calls.length).toBeLessThanOrEqual(10)
})
