import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { call, makeGroup, Person } from '../support/e2e/people.ts'
import { DiskFault, whyNoStrace, type Disk } from '../support/e2e/strace.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

const reason = whyNoStrace()
if (reason !== undefined) process.stdout.write(`durable.test.ts is skipped: ${reason}\n`)

const delayMs = 300

describe.skipIf(reason !== undefined)('on a disk that takes its time', () => {
  let system: System
  let alice: Person
  let bob: Person
  let fault: DiskFault | undefined

  beforeAll(async () => {
    system = await System.start()
    alice = await new Person(system, 'alice', { timeout: 20_000 }).connect()
    bob = await new Person(system, 'bob').connect()
  })

  afterEach(async () => {
    await fault?.lift()
    fault = undefined
  })

  afterAll(async () => {
    for (const person of [alice, bob]) person.leave()
    system.abandon()
  })

  const breakDisk = async (disk: Disk) => {
    fault = await DiskFault.on(system.workerPid, disk)
    return fault
  }

  /** How long after sending the acknowledgement came, and how long until the other heard. */
  async function timesOfOne(group: string, clientId: string): Promise<{ ack: number; heard: number }> {
    const listener = await bob.listen(group).ready()
    const began = performance.now()
    const heard = new Promise<number>((resolve) =>
      listener.subscription.once('publication', () => resolve(performance.now() - began)),
    )
    await alice.send(group, clientId, clientId)
    const ack = performance.now() - began
    const times = { ack, heard: await heard }
    bob.client.removeSubscription(listener.subscription)
    return times
  }

  test('neither the acknowledgement nor the publication leaves before the message is on it', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    let tries = 0
    // Else it would not be the disk that makes the next one late.
    const quick = await until('one is quick', async () => {
      const times = await timesOfOne(group, `quick ${++tries}`)
      return times.ack < delayMs && times
    })

    const disk = await breakDisk(`delay_exit=${delayMs * 1000}`)
    const slow = await timesOfOne(group, 'slow')
    await until('strace tells of a sync', () => disk.syncs > 0)
    expect(slow.ack).toBeGreaterThanOrEqual(delayMs)
    expect(slow.heard).toBeGreaterThanOrEqual(delayMs)
    process.stdout.write(
      `ack ${Math.round(quick.ack)} ms, with every sync ${delayMs} ms late ${Math.round(slow.ack)} ms\n`,
    )
  })

  test('nor with many senders, where calls are gathered', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const listener = await bob.listen(group).ready()
    const burst = async (name: string, size: number) =>
      await Promise.all(
        Array.from({ length: size }, async (_, n) => {
          const began = performance.now()
          await alice.send(group, `${name}-${n}`, name)
          return performance.now() - began
        }),
      )
    for (let round = 1; round <= 10; round++) await burst(`warm ${round}`, 50)
    await listener.reach(500)
    await breakDisk(`delay_exit=${delayMs * 1000}`)
    const began = performance.now()
    const firstHeard = new Promise<number>((resolve) =>
      listener.subscription.once('publication', () => resolve(performance.now() - began)),
    )
    expect(Math.min(...(await burst('slow', 16)))).toBeGreaterThanOrEqual(delayMs)
    expect(await firstHeard).toBeGreaterThanOrEqual(delayMs)
  })

  test('over HTTP the answer waits for it as well', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const token = await alice.token()
    await breakDisk(`delay_exit=${delayMs * 1000}`)
    const began = performance.now()
    const message = { clientId: 'c1', text: 'over HTTP' }
    expect((await call(system, token, 'POST', `/v1/conversations/${group}/messages`, message)).status).toBe(201)
    expect(performance.now() - began).toBeGreaterThanOrEqual(delayMs)
  })

  test('when it fails nothing is acknowledged or published; the message can be sent again, once', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const listener = await bob.listen(group).ready()
    await alice.send(group, 'before', 'before')
    await listener.reach(1)

    const disk = await breakDisk('error=EIO')
    await expect(alice.send(group, 'lost?', 'lost?')).rejects.toBeDefined()
    await until('strace tells of a sync', () => disk.syncs > 0)
    expect(listener.seqs).toEqual([1])

    await fault?.lift()
    fault = undefined
    await system.killWorker()
    await system.startAgain()
    await alice.client.ready(60_000)
    expect(await alice.send(group, 'lost?', 'lost?')).toMatchObject({ seq: 2 })
    await alice.send(group, 'after', 'after')
    await listener.reach(3)
    expect(listener.heard.map(({ text }) => text)).toEqual(['before', 'lost?', 'after'])
  })
})
