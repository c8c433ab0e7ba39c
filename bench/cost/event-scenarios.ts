import { Endpoint } from '../sagas/endpoint.ts'
import { pause } from '../processes.ts'
import type { MeteredSystem } from './metered.ts'
import { costOf, shares, type Cost } from './price.ts'
import { scaled, show, type Measured, type Thoroughness } from './scenarios.ts'

/** How events are published, and sagas started: calls a second, each with so many events. */
const paces = [
  { name: 'one in ten seconds', perSecond: 0.1, together: 1, times: 4 },
  { name: 'one a second', perSecond: 1, together: 1, times: 1 },
  { name: 'twenty a second', perSecond: 20, together: 1, times: 1 },
  { name: 'a hundred together, one call a second', perSecond: 1, together: 100, times: 1 },
] as const

const keys = 100
let published = 0

const nextEvent = () => ({
  type: 'order.placed',
  source: '/bench',
  id: `event-${published++}`,
  key: `customer-${published % keys}`,
  data: { order: published, total: 20, note: 'two of the blue ones, please' },
})

/** Makes a call at a pace for a while; returns how many were made. */
async function atPace(perSecond: number, forSeconds: number, call: () => Promise<unknown>): Promise<number> {
  const calls = Math.max(2, Math.round(perSecond * forSeconds))
  const made: Promise<unknown>[] = []
  for (let n = 0; n < calls; n++) {
    made.push(call())
    await pause(1000 / perSecond)
  }
  await Promise.all(made)
  return calls
}

/** What an event costs that no consumer gets, and what its delivery to a pushed consumer adds to that. */
export async function measureEvents(system: MeteredSystem, how: Thoroughness): Promise<Measured[]> {
  const endpoint = await Endpoint.open()
  try {
    const run = crypto.randomUUID().slice(0, 8)
    const [quiet, pushed] = [`quiet-${run}`, `pushed-${run}`]
    for (const topic of [quiet, pushed]) await system.call('PUT', `/v1/event-topics/${topic}`, {})
    await system.call('PUT', `/v1/consumers/cost-${run}`, { topic: pushed, push: { url: `${endpoint.origin}/events` } })
    const measured: Measured[] = []
    for (const { name, perSecond, together, times } of paces) {
      const costs = new Map<string, Cost>()
      for (const topic of [quiet, pushed]) {
        await pause(how.settleMs)
        const before = await system.bill()
        const calls = await atPace(perSecond, how.seconds * times, () => {
          const events = Array.from({ length: together }, nextEvent)
          return system.call('POST', `/v1/events?topic=${topic}`, together === 1 ? events[0] : events)
        })
        await pause(how.settleMs)
        const after = await system.bill()
        costs.set(topic, costOf(before, after, calls * together))
        if (how.details) show(`an event to ${topic}, ${name}`, shares(before, after, calls * together))
      }
      const [event, both] = [costs.get(quiet), costs.get(pushed)]
      if (event === undefined || both === undefined) continue
      measured.push({ name: `an event, ${name}`, cost: event })
      measured.push({ name: `a delivery, ${name}`, cost: scaled(both, event, 1) })
      console.error(`events, ${name}: done`)
    }
    return measured
  } finally {
    endpoint.close()
  }
}

const stepNames = ['reserve', 'pay', 'ship'] as const

/** What a step of a saga of three steps costs, its share of the start and the end included. */
export async function measureSagas(system: MeteredSystem, how: Thoroughness): Promise<Measured[]> {
  const endpoint = await Endpoint.open()
  try {
    const saga = `cost-${crypto.randomUUID().slice(0, 8)}`
    const steps = stepNames.map((name) => ({ name, call: { url: `${endpoint.origin}/${name}`, body: 'input' } }))
    await system.call('PUT', `/v1/sagas/${saga}`, { steps })
    const measured: Measured[] = []
    for (const { name, perSecond, times } of paces.filter(({ together }) => together === 1)) {
      await pause(how.settleMs)
      const before = await system.bill()
      const runs = await atPace(perSecond, how.seconds * times, () => {
        const id = `run-${published++}`
        return system.call('POST', `/v1/sagas/${saga}/runs`, { id, input: { id } })
      })
      await pause(how.settleMs)
      const after = await system.bill()
      const units = runs * stepNames.length
      measured.push({ name: `a step of a saga of three, ${name}`, cost: costOf(before, after, units) })
      if (how.details) show(`a step of a saga, ${name}`, shares(before, after, units))
      console.error(`sagas, ${name}: done`)
    }
    return measured
  } finally {
    endpoint.close()
  }
}
