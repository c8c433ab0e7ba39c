import { pause } from '../processes.ts'
import { postTo } from '../targets/parley-wire.ts'
import { z } from 'zod'
import { Endpoint } from '../sagas/endpoint.ts'
import type { MeteredSystem } from './metered.ts'
import { costOf, shares, type Cost } from './price.ts'
import { scaled, show, type Measured, type Thoroughness } from './scenarios.ts'

/** Recipients of one call. */
const together = 1000
const digestSeconds = 10

const feed = { kind: 'channel', name: 'feed', channel: 'in-app', source: { content: { body: '{{ data.text }}' } } }
const throttle = { kind: 'throttle', name: 'throttle', limit: 100, seconds: 3600 }
const digest = { kind: 'digest', name: 'digest', window: { kind: 'fixed', seconds: digestSeconds } }
const summary = {
  kind: 'channel',
  name: 'summary',
  channel: 'in-app',
  source: { content: { body: '{{ total }} comments' } },
}
const workflows = [
  { what: 'in the app', steps: [feed] },
  { what: 'in the app, with a throttle and a digest', steps: [throttle, feed, digest, summary] },
] as const

const createdConversation = z.object({ id: z.string() })
const name = () => `cost-${crypto.randomUUID().slice(0, 8)}`

/** The cost of what `work` does, with all that follows from it, for each of `units`. */
async function costOfWork(
  system: MeteredSystem,
  { settleMs, details }: Thoroughness,
  { what, units }: { readonly what: string; readonly units: number },
  work: () => Promise<unknown>,
): Promise<Cost> {
  await pause(settleMs)
  const before = await system.bill()
  await work()
  await pause(settleMs)
  const after = await system.bill()
  if (details) show(what, shares(before, after, units))
  console.error(`${what}: done`)
  return costOf(before, after, units)
}

/** What a recipient of a notification costs: in calls of a thousand new ones, of the same ones again, and alone. */
export async function measureNotifications(system: MeteredSystem, how: Thoroughness): Promise<Measured[]> {
  const category = name()
  await system.call('PUT', `/v1/notification-categories/${category}`, { label: 'Comments' })
  const measured: Measured[] = []
  for (const { what, steps } of workflows) {
    const workflow = name()
    await system.call('PUT', `/v1/workflows/${workflow}`, { category, steps })
    const users = Array.from({ length: together }, (_, n) => `${workflow}-${n}`)
    const notify = (recipients: readonly string[]) =>
      system.call('POST', '/v1/notifications', { workflow, recipients, data: { text: 'two of the blue ones' } })
    const cases = [
      ['a new recipient', users],
      ['a known recipient', users],
      ['a known recipient alone', users.slice(0, 1)],
    ] as const
    for (const [who, recipients] of cases) {
      const units = recipients.length
      const called = `${who}, ${what}`
      const cost = await costOfWork(system, how, { what: called, units }, () => notify(recipients))
      measured.push({ name: called, cost })
    }
  }
  return measured
}

/** What the post of a webhook adds to a message, and watching a process to an event. */
export async function measureWebhooksAndProcesses(system: MeteredSystem, how: Thoroughness): Promise<Measured[]> {
  const endpoint = await Endpoint.open()
  try {
    const { id } = await postTo(
      system.reach,
      '/v1/conversations',
      { type: 'group', name: 'bench', members: ['user-0', 'user-1'] },
      createdConversation,
    )
    const calls = Math.max(2, Math.round(how.seconds))
    const eachSecond = async (call: (n: number) => Promise<unknown>, times = calls) => {
      for (let n = 0; n < times; n++) {
        await call(n)
        await pause(1000)
      }
    }
    let sent = 0
    const messages = (times = calls) =>
      eachSecond(
        () =>
          system.call('POST', `/v1/conversations/${id}/messages`, {
            user: 'user-0',
            clientId: `c-${sent++}`,
            text: 'Hello',
          }),
        times,
      )
    const message = await costOfWork(system, how, { what: 'a message, one a second', units: calls }, messages)
    const webhook = name()
    await system.call('PUT', `/v1/webhooks/${webhook}`, { url: `${endpoint.origin}/hook`, events: ['message.created'] })
    // The conversation learns of the webhook within seconds.
    const first = { isPosted: false }
    void endpoint.next().then(() => (first.isPosted = true))
    for (let tries = 0; !first.isPosted && tries < 60; tries++) await messages(1)
    if (!first.isPosted) throw new Error('the webhook was not posted to within a minute')
    const posted = await costOfWork(system, how, { what: 'a message with a webhook', units: calls }, messages)
    await system.call('DELETE', `/v1/webhooks/${webhook}`)

    const [plain, watched] = [name(), name()]
    for (const topic of [plain, watched]) await system.call('PUT', `/v1/event-topics/${topic}`, {})
    const process = name()
    await system.call('PUT', `/v1/processes/${process}`, {
      topics: [watched],
      events: [
        { type: 'order.placed', starts: true },
        { type: 'order.shipped', ends: true },
      ],
      expectations: [{ name: 'shipped', after: 'order.placed', expect: 'order.shipped', withinSeconds: 3600 }],
    })
    const orders = (topic: string) => () =>
      eachSecond(async (n) => {
        for (const type of ['order.placed', 'order.shipped'])
          await system.call('POST', `/v1/events?topic=${topic}`, {
            type,
            source: '/bench',
            id: `${topic}-${n}-${type}`,
            key: `order-${n}`,
            data: { order: n },
          })
      })
    const units = 2 * calls
    const event = await costOfWork(system, how, { what: 'an event, two a second', units }, orders(plain))
    const seen = await costOfWork(system, how, { what: 'an event of a process', units }, orders(watched))
    return [
      { name: 'a post of a webhook, one message a second', cost: scaled(posted, message, 1) },
      { name: 'an event in a process, two a second', cost: scaled(seen, event, 1) },
    ]
  } finally {
    endpoint.close()
  }
}
