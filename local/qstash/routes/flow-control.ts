import { MAX_IN_FLIGHT } from '../dispatcher.ts'
import { inPeriod } from '../flow-control.ts'
import type { Parts } from '../parts.ts'
import { badRequest, notFound } from '../refusal.ts'
import { answer, type Call, done, type Route } from '../router.ts'
import type { FlowControl } from '../store/flow-controls.ts'

/** `/v2/flowControl` and `/v2/globalParallelism`. */
export function flowControlRoutes(parts: Parts): Route[] {
  const command = (verb: string, change: (flow: FlowControl, call: Call) => FlowControl): Route => ({
    method: 'POST',
    path: new RegExp(`^/v2/flowControl/([^/]+)/${verb}$`),
    answer: (call, key) => update(parts, key, (flow) => change(flow, call)),
  })
  return [
    { method: 'GET', path: /^\/v2\/globalParallelism$/, answer: () => globalParallelism(parts) },
    { method: 'GET', path: /^\/v2\/flowControl\/?$/, answer: () => list(parts) },
    { method: 'GET', path: /^\/v2\/flowControl\/([^/]+)$/, answer: (_, key) => get(parts, key) },
    command('pause', (flow) => ({ ...flow, paused: true })),
    command('resume', (flow) => ({ ...flow, paused: false })),
    command('pin', (flow, { query }) => pinned(flow, query)),
    command('unpin', (flow, { query }) => unpinned(flow, query)),
    command('resetRate', (flow) => ({ ...flow, periodStart: parts.clock.now(), rateCount: 0 })),
  ]
}

function globalParallelism({ store }: Parts) {
  return answer({ parallelismMax: MAX_IN_FLIGHT, parallelismCount: store.messages.active() })
}

const list = (parts: Parts) => answer(parts.store.flows.all().map((flow) => view(parts, flow)))

function get(parts: Parts, key: string) {
  const flow = parts.store.flows.get(key)
  if (flow === undefined) throw notFound(`flow control key ${key}`)
  return answer(view(parts, flow))
}

function update({ store, dispatcher }: Parts, key: string, change: (flow: FlowControl) => FlowControl) {
  store.flows.put(change(store.flows.getOrNew(key)))
  dispatcher.wake()
  return done
}

/** What is pinned begins afresh: the count and the period are reset. */
function pinned(flow: FlowControl, query: URLSearchParams): FlowControl {
  const parallelism = readLimit(query, 'parallelism')
  const rate = readLimit(query, 'rate')
  const period = readLimit(query, 'period')
  const fresh = { ...flow, periodStart: 0, rateCount: 0 }
  if (parallelism !== undefined) Object.assign(fresh, { parallelism, pinnedParallelism: true })
  if (rate !== undefined) Object.assign(fresh, { rate, pinnedRate: true, periodMs: (period ?? 1) * 1000 })
  return fresh
}

/** The limits stay as they were pinned until a message brings others. */
function unpinned(flow: FlowControl, query: URLSearchParams): FlowControl {
  return {
    ...flow,
    pinnedParallelism: flow.pinnedParallelism && query.get('parallelism') !== 'true',
    pinnedRate: flow.pinnedRate && query.get('rate') !== 'true',
  }
}

function readLimit(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  if (!/^[1-9]\d*$/.test(text)) throw badRequest(`${name} is not a whole number above 0: ${text}`)
  return Number(text)
}

/** The wire writes 0 for "no limit". */
function view({ store, clock }: Parts, flow: FlowControl): object {
  const current = inPeriod(flow, clock.now(), clock.lasting(flow.periodMs))
  return {
    flowControlKey: flow.key,
    waitListSize: store.messages.waitingInFlow(flow.key, clock.now()),
    parallelismMax: flow.parallelism ?? 0,
    parallelismCount: store.messages.activeInFlow(flow.key),
    rateMax: flow.rate ?? 0,
    rateCount: current.rateCount,
    ratePeriod: flow.periodMs / 1000,
    ratePeriodStart: Math.floor(current.periodStart / 1000),
    isPaused: flow.paused,
    isPinnedParallelism: flow.pinnedParallelism,
    isPinnedRate: flow.pinnedRate,
  }
}
