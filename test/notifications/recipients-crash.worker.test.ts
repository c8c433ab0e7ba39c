import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { notificationsNumbered, notificationsOf, recipientsNumbered } from '../../durable-objects/address.ts'
import { Recipients } from '../../durable-objects/recipients/recipients.ts'
import type { Workflow } from '../../src/notifications/model.ts'
import { readRun } from '../../src/notifications/runs/stored-run.ts'
import { eventually, timeoutMs } from '../support/worker/bounded.ts'
import { pass, startClock, stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import { email, inApp } from './test-user.ts'

const users = Array.from({ length: 200 }, (_, index) => `user-${index}`)
const windowSeconds = 36_000

/** Where actors are aborted: a hand-over before and after its commit, an alarm likewise, a message that the provider has taken. */
type Point = 'hand-over' | 'handed-over' | 'alarm' | 'alarm-done' | 'delivery'

/** Stops all calls that come to `point`, from the n-th on, until the actors have been aborted. */
const stop: { point: Point | undefined; left: number; isReached: boolean } = {
  point: undefined,
  left: 0,
  isReached: false,
}

async function reach(point: Point): Promise<void> {
  if (stop.point !== point) return
  if (--stop.left > 0) return
  stop.isReached = true
  while (stop.point === point) await scheduler.wait(1)
}

/** Bodies of requests to the provider, by idempotency key. */
const taken = new Map<string, string[]>()

beforeAll(() => {
  stopClock()
  // No alarm of these tests rings by itself.
  pass(3_600_000)
  // oxlint-disable-next-line typescript/unbound-method -- both are called with their actor
  const { handOver, alarm } = Recipients.prototype
  vi.spyOn(Recipients.prototype, 'handOver').mockImplementation(async function (this: Recipients, given) {
    await reach('hand-over')
    const answer = await handOver.call(this, given)
    await reach('handed-over')
    return answer
  })
  vi.spyOn(Recipients.prototype, 'alarm').mockImplementation(async function (this: Recipients) {
    await reach('alarm')
    await alarm.call(this)
    await reach('alarm-done')
  })
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const { url, headers } = new Request(input, init)
    expect(url).toBe('https://api.resend.com/emails')
    const key = headers.get('idempotency-key') ?? ''
    taken.set(key, [...(taken.get(key) ?? []), typeof init?.body === 'string' ? init.body : ''])
    await reach('delivery')
    return Response.json({ id: key })
  })
})
afterAll(() => {
  vi.restoreAllMocks()
  startClock()
})

let tenant: TestTenant

beforeEach(async () => {
  tenant = await newTenant()
  const provider = { channel: 'email', type: 'resend', from: 'shop@example.com', credentials: { apiKey: 'key' } }
  const put = await call('PUT /v1/notification-providers/mail', { as: tenant.key, body: provider })
  expect(put.status, put.text).toBe(200)
})

/** Made anew each time: a stub does not outlive its actor. */
const recipientsActors = () => Array.from({ length: 16 }, (_, number) => recipientsNumbered(env, tenant.id, number))
const actors = (): DurableObjectStub[] => [
  ...Array.from({ length: 4 }, (_, number) => notificationsNumbered(env, tenant.id, number)),
  ...recipientsActors(),
]

const alarmsNow = () =>
  Promise.all(actors().map((actor) => runInDurableObject(actor, (_, { storage }) => storage.getAlarm())))

/** The alarms of the turn under way: an aborted one rings again on Cloudflare, but `runDurableObjectAlarm` deletes it first. */
let kept: (number | null)[] = []

/** Puts the clock forward and rings the alarms whose time has come, until they have ended or the turn is over for another reason. */
async function turn(isOver = () => false): Promise<void> {
  pass(5_000)
  kept = await alarmsNow()
  const ringing = new Set(actors().filter((_, place) => (kept[place] ?? Infinity) <= Date.now()))
  for (const actor of ringing) void ring(actor).finally(() => ringing.delete(actor))
  while (ringing.size > 0 && !isOver()) await scheduler.wait(1)
}

async function ring(actor: DurableObjectStub): Promise<void> {
  try {
    await runDurableObjectAlarm(actor)
  } catch {
    // It was aborted.
  }
}

async function setLostAlarms(): Promise<void> {
  for (const [place, actor] of actors().entries()) {
    const at = kept[place] ?? null
    if (at === null) continue
    await runInDurableObject(actor, async (_, { storage }) => {
      if ((await storage.getAlarm()) === null) await storage.setAlarm(at)
    })
  }
}

async function crash(): Promise<void> {
  await abortAllDurableObjects()
  Object.assign(stop, { point: undefined, isReached: false })
  await setLostAlarms()
}

/** Aborts all actors when the n-th call comes to a point, counted from before `begin`. */
async function crashAt(point: Point, n: number, begin?: () => Promise<void>): Promise<void> {
  Object.assign(stop, { point, left: n, isReached: false })
  await begin?.()
  const until = performance.now() + timeoutMs
  while (!stop.isReached) {
    if (performance.now() > until) throw new Error(`no call came to ${point}`)
    await turn(() => stop.isReached)
  }
  await crash()
}

/** Turns until there is an answer. */
const afterTurns = async <T>(what: string, ask: () => Promise<T | undefined>): Promise<T> =>
  await eventually(what, async () => {
    await turn()
    return await ask()
  })

const workflow: Workflow = {
  name: 'comment',
  version: 1,
  priority: 'normal',
  steps: [
    inApp('app'),
    { name: 'few', kind: 'throttle', limit: 2, seconds: 86_400 },
    { name: 'day', kind: 'digest', window: { kind: 'fixed', seconds: windowSeconds } },
    email('mail', {
      source: {
        content: { title: '{{ total }} comments', body: '{% for e in events %}{{ e.data.text }} {% endfor %}' },
      },
    }),
  ],
}

async function accept(id: string): Promise<void> {
  const at = Date.now()
  const spec = { id, at, workflow, priority: 'normal', data: { text: id } } as const
  const recipients = users.map((user) => ({ user, profile: { email: `${user}@example.com` } }))
  const selection = { kind: 'users', users: recipients } as const
  await notificationsOf(env, tenant.id, id).accept({
    spec,
    selection,
    refused: [],
    deliverAt: at,
    keepMs: 30 * 86_400_000,
    fingerprint: id,
  })
}

const isSent = async (id: string) =>
  await afterTurns(`the hand-over of ${id}`, async () =>
    (await notificationsOf(env, tenant.id, id).find(id))?.state === 'sent' ? true : undefined,
  )

/** All notices and items of the tenant. */
async function stored() {
  const each = await Promise.all(
    recipientsActors().map((actor) =>
      runInDurableObject(actor, (_, { storage: { sql } }) => ({
        runs: sql
          .exec<{ user: string; notification: string; run: string }>('SELECT user, notification, run FROM notices')
          .toArray()
          .map(({ run, ...key }) => readRun(run, key)),
        items: sql.exec<{ user: string; notification: string }>('SELECT user, notification FROM feed_items').toArray(),
      })),
    ),
  )
  return { runs: each.flatMap(({ runs }) => runs), items: each.flatMap(({ items }) => items) }
}

describe('notifications while actors lose their memory', () => {
  test('each user has each notification once, and one digest that is sent under one key, wherever all actors are aborted', async () => {
    await accept('n1')
    await crash()
    await crashAt('hand-over', 1)
    await crashAt('handed-over', 3)
    await crashAt('handed-over', 2)
    await isSent('n1')
    await crashAt('hand-over', 3, () => accept('n2'))
    await crashAt('handed-over', 4)
    await isSent('n2')
    await crash()
    await crashAt('handed-over', 1, () => accept('n3'))
    await isSent('n3')
    expect(taken.size).toBe(0)

    pass(windowSeconds * 1000)
    await crashAt('alarm', 1)
    for (const n of [1, 40, 60]) await crashAt('delivery', n)
    await crashAt('alarm-done', 2)
    const { runs, items } = await afterTurns('the end of all runs', async () => {
      const now = await stored()
      return now.runs.every(({ endedAt }) => endedAt > 0) ? now : undefined
    })

    const pairs = users.flatMap((user) => ['n1', 'n2', 'n3'].map((id) => `${id}/${user}`)).sort()
    expect(runs.map(({ id }) => id).sort()).toEqual(pairs)
    expect(items.map(({ user, notification }) => `${notification}/${user}`).sort()).toEqual(pairs)
    const outcomes = Map.groupBy(runs, ({ recipient }) => recipient)
    for (const own of outcomes.values())
      expect(new Set(own.map(({ outcome }) => outcome))).toEqual(new Set(['completed', 'gathered', 'throttled']))
    expect([...taken.keys()].sort()).toEqual(users.map((user) => `n1/${user}/mail`).sort())
    for (const bodies of taken.values()) {
      expect(new Set(bodies).size).toBe(1)
      expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ subject: '2 comments', text: 'n1 n2' })
    }
    expect(Math.max(...[...taken.values()].map(({ length }) => length))).toBeGreaterThan(1)
  })
})
