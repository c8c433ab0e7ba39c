import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startMiniflare } from '../../local/miniflare.ts'
import { startWorkerd } from '../../local/workerd.ts'
import { answersOf, contextsContract } from '../contracts/contexts.contract.ts'
import { Person } from '../support/e2e/people.ts'
import { until } from '../support/e2e/until.ts'
import { TestSystem, World } from '../support/apart/system.ts'

// Jobs, limits and events as Workers of their own (docs/taking-apart.md): what holds wherever they run, what happens while one of
// them is stopped, and that data is where it was after taking apart, transferring classes, and going back.

const all = 'jobs,limits,notifications,events'
let world: World
let whole: TestSystem
let apart: TestSystem

beforeAll(async () => {
  world = await World.make()
  whole = await TestSystem.start(world, startWorkerd)
  apart = await TestSystem.start(world, startWorkerd, { apart: all })
})

afterAll(async () => {
  await whole?.stop()
  await apart?.stop()
  await world?.end()
})

describe('in one Worker', () =>
  contextsContract(
    () => whole,
    () => world,
  ))

describe('as Workers of their own, on workerd', () => {
  contextsContract(
    () => apart,
    () => world,
  )

  test('every request is answered as by one Worker: status, headers and body', async () => {
    const [ofApart, ofWhole] = [await answersOf(apart), await answersOf(whole)]
    expect(ofApart).toEqual(ofWhole)
    expect(Object.keys(ofWhole).length).toBeGreaterThan(20)
  })
})

describe('while the Worker of jobs is stopped', () => {
  test('its operations say which part does not answer, the rest goes on, and what was accepted is done when it is back', async () => {
    const group = z
      .object({ id: z.string() })
      .parse((await apart.call('POST /v1/conversations', { body: { type: 'group', members: ['ada', 'bob'] } })).body).id
    const ada = await new Person(apart, 'ada', { key: apart.key }).connect()
    const before = { id: 'before', url: `http://${world.endpoint}/before`, delaySeconds: 1 }
    expect(await apart.call('POST /v1/jobs', { body: before })).toMatchObject({ status: 201 })
    await apart.gate('JOBS', 'off')

    const refused = await apart.call('POST /v1/jobs', { body: { id: 'while', url: `http://${world.endpoint}/while` } })
    expect(refused).toMatchObject({
      status: 503,
      body: { type: '/docs/errors#unavailable', dependency: 'jobs', detail: 'jobs: does not answer; try again' },
    })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    const ready = await apart.call('GET /readyz')
    expect(ready.body).toMatchObject({
      contexts: { jobs: { state: 'down' }, limits: { state: 'ok' }, events: { state: 'ok' } },
    })

    // Chat, limits and events go on, and a message for later is accepted, since its queue is an actor.
    expect(await ada.send(group, 'now', 'still here')).toMatchObject({ seq: 1 })
    const rules = { algorithm: 'token-bucket', limit: 2, windowSeconds: 3600 }
    expect(await apart.call('PUT /v1/limits/policies/meanwhile', { body: rules })).toMatchObject({ status: 200 })
    expect(await apart.call('POST /v1/events', { body: { type: 'order.placed', data: {} } })).toMatchObject({
      status: 201,
    })
    const later = { conversation: group, clientId: 'later', text: 'later', deliverAt: Date.now() + 100 }
    expect(await ada.rpc('message.send', later)).toMatchObject({ deliverAt: later.deliverAt })

    await apart.gate('JOBS', 'on')
    await until('the job of before was run', () => world.wasCalled('/before'))
    await until('the message for later is there', async () =>
      JSON.stringify((await apart.call(`GET /v1/conversations/${group}/messages`)).body).includes('"later"'),
    )
    await until('jobs answer again', async () => (await apart.call('GET /v1/jobs/while')).status === 404)
    expect(await apart.call('GET /v1/jobs/before')).toMatchObject({ status: 200, body: { state: 'done' } })
    ada.leave()
  })

  test('a saga whose step belongs to the stopped part goes on when it is back', async () => {
    const input = `{body: {id: 'of-saga', url: 'http://${world.endpoint}/of-saga'}}`
    const steps = [{ name: 'enqueue', operation: { operation: 'enqueueJob', input } }]
    expect(await apart.call('PUT /v1/sagas/stopped', { body: { steps } })).toMatchObject({ body: { name: 'stopped' } })
    await apart.gate('JOBS', 'off')
    expect((await apart.call('POST /v1/sagas/stopped/runs', { body: { id: 'waits' } })).status).toBeLessThan(300)
    await until('the step was tried', async () =>
      JSON.stringify((await apart.call('GET /v1/saga-runs/waits')).body).includes('503'),
    )
    await apart.gate('JOBS', 'on')
    await until('the run is completed', async () =>
      JSON.stringify((await apart.call('GET /v1/saga-runs/waits')).body).includes('"completed"'),
    )
    await until('the job was run', () => world.wasCalled('/of-saga'))
  })
})

describe('data', () => {
  test('is where it was after taking apart, transferring the classes, and going back', async () => {
    const system = await TestSystem.start(world, startWorkerd)
    const rules = { algorithm: 'token-bucket', limit: 3, windowSeconds: 36_000 }
    await system.call('PUT /v1/limits/policies/moves', { body: rules })
    await system.call('PUT /v1/consumers/reader', { body: { topic: 'default' } })
    const reserve = async () =>
      (await system.call('POST /v1/limits/reserve', { body: { policy: 'moves', key: 'k', cost: 1, ttlSeconds: 3600 } }))
        .body
    const pulled = async () => JSON.stringify((await system.call('POST /v1/consumers/reader/pull', { body: {} })).body)
    const stages = [
      {},
      { apart: 'jobs,limits,events' },
      { apart: 'jobs,limits,events', transferred: 'jobs,limits,events' },
      {},
    ]
    for (const [stage, parts] of stages.entries()) {
      if (stage > 0) {
        await system.stop()
        await system.startAs(parts)
        // What the stage before wrote: a job that waits, one that was under way, units, an event with its consumer.
        expect(await system.call(`GET /v1/jobs/waits-${stage - 1}`)).toMatchObject({
          status: 200,
          body: { state: 'delayed' },
        })
        await until('the job under way was run', () => world.wasCalled(`/under-way-${stage - 1}`))
        expect(await pulled()).toContain(`event-${stage - 1}`)
      }
      const waits = { id: `waits-${stage}`, url: `http://${world.endpoint}/never`, delaySeconds: 80_000 }
      expect(await system.call('POST /v1/jobs', { body: waits })).toMatchObject({ status: 201 })
      expect(await reserve()).toMatchObject(stage < 3 ? { reserved: true, remaining: 2 - stage } : { reserved: false })
      await system.call('POST /v1/events', { body: { type: 'moved', data: { name: `event-${stage}` } } })
      const underWay = { id: `under-way-${stage}`, url: `http://${world.endpoint}/under-way-${stage}`, delaySeconds: 1 }
      expect(await system.call('POST /v1/jobs', { body: underWay })).toMatchObject({ status: 201 })
    }
    await system.stop()
  })
})

describe('as Workers of their own with the actors of jobs, on Miniflare', () => {
  let onMiniflare: TestSystem
  beforeAll(async () => {
    onMiniflare = await TestSystem.start(world, startMiniflare, { apart: 'jobs,events', transferred: 'jobs' })
  })
  afterAll(() => onMiniflare?.stop())
  contextsContract(
    () => onMiniflare,
    () => world,
  )

  test('a message for later says that jobs do not answer while their Worker is stopped, and chat goes on', async () => {
    const made = await onMiniflare.call('POST /v1/conversations', { body: { type: 'group', members: ['ada', 'bob'] } })
    const group = z.object({ id: z.string() }).parse(made.body).id
    const ada = await new Person(onMiniflare, 'ada', { key: onMiniflare.key }).connect()
    await onMiniflare.gate('JOBS', 'off')
    const later = { clientId: 'later', text: 'later', deliverAt: Date.now() + 60_000 }
    await expect(ada.rpc('message.send', { conversation: group, ...later })).rejects.toMatchObject({
      code: 100,
      message: expect.stringContaining('jobs does not answer; try again'),
    })
    const overHttp = { ...later, user: 'ada' }
    expect(await onMiniflare.call(`POST /v1/conversations/${group}/messages`, { body: overHttp })).toMatchObject({
      status: 503,
      body: { dependency: 'jobs' },
    })
    expect(await ada.send(group, 'now', 'still here')).toMatchObject({ seq: 1 })
    await onMiniflare.gate('JOBS', 'on')
    await until('a message for later is accepted', async () => {
      const { status } = await onMiniflare.call(`POST /v1/conversations/${group}/messages`, { body: overHttp })
      return status === 202
    })
    ada.leave()
  })
})
