import { BoundedMap } from '../kernel/bounded-map.ts'
import { systemClock } from '../kernel/clock.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { idsOf, type RequestContext } from '../kernel/request-context.ts'
import { backoffMs, within } from '../kernel/retry.ts'
import { BreakerView, type CallUnderWay, type Permission } from '../resilience/breaker-view.ts'
import {
  endpointOpenTimes,
  serviceOpenTimes,
  type BreakerReport,
  type BreakerState,
  type Opinion,
} from '../resilience/opinion.ts'
import { RetryBudget } from '../resilience/retry-budget.ts'
import { Deadline } from './deadline.ts'

/** How long a request waits for an outside service before it is answered with 503. */
export const requestDeadlineMs = 5000
/** How long one call to an outside service may take where no request waits for it. */
export const backgroundDeadlineMs = 30_000

/** An outside service failed or did not answer in time. `dependency` is its name in `/readyz`. */
export class DependencyError extends Error {
  readonly dependency: string

  constructor(dependency: string, cause: unknown) {
    super(`${dependency} does not answer`, { cause })
    this.dependency = dependency
  }
}

/** The result of a call to an outside service. Throws a DependencyError that names the service when the call fails. */
export async function fromDependency<T>(
  dependency: string,
  call: () => Promise<T>,
  request?: RequestContext,
): Promise<T> {
  try {
    return await call()
  } catch (thrown) {
    log.warn('dependency.failed', { ...idsOf(request), dependency, reason: reasonOf(thrown) })
    throw new DependencyError(dependency, thrown)
  }
}

/** A call that was not made: the breaker is open, or too many calls are under way. */
export class CallRefused extends Error {
  readonly retryInMs: number
  /** Too many calls are under way in this isolate; the breaker is closed. */
  readonly isFull: boolean

  constructor({ label }: Dependency, reason: string, retryInMs: number, isFull: boolean) {
    super(`${label} is not called: ${reason}`)
    this.retryInMs = retryInMs
    this.isFull = isFull
  }
}

/** An outside service, or a host that a tenant named. */
export interface Dependency {
  /** Unique in the deployment. */
  readonly name: string
  /** What messages call it. */
  readonly label: string
  /** The actor that holds its breaker, and its name there. */
  readonly breaker: { readonly tenant: string | undefined; readonly key: string }
  /** Calls under way in one isolate. */
  readonly maxUnderWay: number
  /** Attempts of one call, at most. */
  readonly attempts: number
}

/** The actors that hold the breakers. */
export interface Breakers {
  report(breaker: Dependency['breaker'], report: BreakerReport): Promise<Opinion>
  /** Lets work end that no caller waits for. */
  keep(work: Promise<unknown>): void
}

let breakers: Breakers | undefined

/** Named once by the Worker; without it each isolate has its own view only. */
export function useBreakers(used: Breakers): void {
  breakers = used
}

const askMs = 250

/** What an isolate knows of a dependency. Plain values and leases, which requests may share. */
interface Known {
  readonly view: BreakerView
  readonly budget: RetryBudget
}

const known = new BoundedMap<string, Known>(2000)
let isolateName: string | undefined

/** Calls of this isolate, by dependency; those to hosts that tenants named are counted together. */
export interface CallFigures {
  calls: number
  failures: number
  retries: number
  refused: number
}

const endpoints = 'endpoints'
const figures = new Map<string, CallFigures>()

/** Forgets what this isolate knows of outside services, for simulations whose stories share a process. */
export function forgetDependencies(): void {
  known.clear()
  figures.clear()
  isolateName = undefined
}

export const callFigures = (): ReadonlyMap<string, Readonly<CallFigures>> => figures

/** The state of a dependency's breaker as this isolate sees it. */
export const breakerStateHere = ({ name }: Dependency): BreakerState =>
  known.get(name)?.view.state(systemClock.now()) ?? 'closed'

function knownOf({ name, breaker, maxUnderWay }: Dependency): Known {
  const found = known.get(name)
  if (found !== undefined) return found
  const times = breaker.tenant === undefined ? serviceOpenTimes : endpointOpenTimes
  const made = { view: new BreakerView(maxUnderWay, times), budget: new RetryBudget() }
  known.set(name, made)
  return made
}

function figuresOf({ name, breaker }: Dependency): CallFigures {
  const counted = breaker.tenant === undefined ? name : endpoints
  const found = figures.get(counted) ?? { calls: 0, failures: 0, retries: 0, refused: 0 }
  figures.set(counted, found)
  return found
}

/** An answer, and whether it says that the service is in trouble. */
export interface Answered<T> {
  readonly value: T
  readonly isFailure?: boolean
}

/** How long a call may take, and when it is slow. */
export interface CallTimes {
  readonly deadlineMs: number
  /** By default 60 % of the deadline. */
  readonly slowMs?: number
  /** Ends the call instead of a timer of its own. */
  readonly signal?: AbortSignal
  /** Whether an error says that the service is in trouble; by default each does. Others are answers, and not repeated. */
  readonly isTrouble?: (thrown: unknown) => boolean
  /** It is not made unless the breaker is closed, and never is its probe. */
  readonly isOptional?: boolean
  /** The call is made although the breaker is open: no other service would answer in its place. It still counts. */
  readonly isLastResort?: boolean
}

/**
 * Calls an outside service: within a deadline, through its breaker, with a bounded number of calls under way, and again after a
 * failure where its budget of retries allows it. Throws CallRefused without a call, or what the last attempt threw.
 */
export async function callDependency<T>(
  dependency: Dependency,
  {
    deadlineMs,
    slowMs = 0.6 * deadlineMs,
    signal,
    isTrouble = () => true,
    isOptional = false,
    isLastResort = false,
  }: CallTimes,
  attempt: (signal: AbortSignal) => Promise<Answered<T>>,
): Promise<T> {
  const { budget } = knownOf(dependency)
  const counted = figuresOf(dependency)
  if (isOptional && breakerStateHere(dependency) !== 'closed') throw refused(dependency, 'its breaker is open', 1000)
  budget.called()
  const begunAt = systemClock.now()
  const deadline = signal === undefined ? new Deadline(deadlineMs) : undefined
  const ends = signal ?? deadline?.signal ?? AbortSignal.abort()
  try {
    for (let nth = 1; ; nth++) {
      const leftMs = begunAt + deadlineMs - systemClock.now()
      const times = { deadlineMs: leftMs, slowMs, isTrouble, isLastResort }
      const outcome = await attemptOnce(dependency, times, () => attempt(ends))
      if (outcome.isSuccess) return valueOf(outcome)
      const waitMs = backoffMs(nth, 100, 500, Math.random())
      const mayRepeat = nth < dependency.attempts && !ends.aborted && waitMs < leftMs / 2
      if (!mayRepeat || !budget.take()) return valueOf(outcome)
      counted.retries++
      await new Promise((again) => setTimeout(again, waitMs))
    }
  } finally {
    deadline?.end()
  }
}

type Outcome<T> = { readonly isSuccess: boolean } & (
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'threw'; readonly thrown: unknown }
)

function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.kind === 'answered') return outcome.value
  throw outcome.thrown
}

async function attemptOnce<T>(
  dependency: Dependency,
  { deadlineMs, slowMs, isTrouble, isLastResort }: Required<Omit<CallTimes, 'signal' | 'isOptional'>>,
  attempt: () => Promise<Answered<T>>,
): Promise<Outcome<T>> {
  const { view } = knownOf(dependency)
  const counted = figuresOf(dependency)
  const { probe } = await permission(dependency, deadlineMs, isLastResort)
  const call = view.begin(deadlineMs, slowMs, systemClock.now(), probe)
  counted.calls++
  let outcome: Outcome<T>
  try {
    const { value, isFailure = false } = await attempt()
    outcome = { kind: 'answered', value, isSuccess: !isFailure }
  } catch (thrown) {
    outcome = { kind: 'threw', thrown, isSuccess: !isTrouble(thrown) }
  }
  if (!outcome.isSuccess) counted.failures++
  ended(dependency, call, outcome.isSuccess)
  return outcome
}

/** Waits for the breaker of all at most when this one call asks it for the probe. Throws CallRefused. */
async function permission(
  dependency: Dependency,
  deadlineMs: number,
  isLastResort: boolean,
): Promise<{ readonly probe: CallUnderWay['probe'] }> {
  const { view } = knownOf(dependency)
  const verdict = view.decide(systemClock.now())
  sendIfDue(dependency)
  switch (verdict.kind) {
    case 'call':
      return { probe: undefined }
    case 'full':
      throw refused(dependency, 'too many calls to it are under way', 1000, true)
    case 'open':
      if (isLastResort && view.underWay < dependency.maxUnderWay) return { probe: undefined }
      throw refused(dependency, 'its breaker is open', verdict.retryInMs)
    case 'ask': {
      const permitted = await askForProbe(dependency, deadlineMs)
      if (permitted.kind === 'call') return permitted
      if (isLastResort && view.underWay < dependency.maxUnderWay) return { probe: undefined }
      throw refused(dependency, 'its breaker is open', permitted.retryInMs)
    }
  }
}

function refused(dependency: Dependency, reason: string, retryInMs: number, isFull = false): CallRefused {
  figuresOf(dependency).refused++
  return new CallRefused(dependency, reason, retryInMs, isFull)
}

async function askForProbe(dependency: Dependency, deadlineMs: number): Promise<Permission> {
  const { view } = knownOf(dependency)
  const report = { isolate: isolate(), ...view.report(systemClock.now()), probeMs: deadlineMs + 1000 }
  const opinion = await askBreaker(dependency, report)
  return view.afterAsking(opinion, deadlineMs, systemClock.now())
}

/** Undefined when the actor does not answer in time. */
async function askBreaker({ name, breaker }: Dependency, report: BreakerReport): Promise<Opinion | undefined> {
  if (breakers === undefined) return undefined
  try {
    return await within(askMs, 'the breaker', breakers.report(breaker, report))
  } catch (thrown) {
    log.warn('breaker.unreachable', { dependency: name, reason: reasonOf(thrown) })
    return undefined
  }
}

function ended(dependency: Dependency, call: CallUnderWay, isSuccess: boolean): void {
  const { view } = knownOf(dependency)
  const hasOpened = view.end(call, isSuccess, systemClock.now())
  if (hasOpened) log.warn('breaker.view-opened', { dependency: dependency.name })
  if (typeof call.probe === 'number') {
    const probed = { probe: call.probe, isSuccess }
    send(dependency, { isolate: isolate(), ...view.report(systemClock.now()), probed })
  } else sendIfDue(dependency)
}

function sendIfDue(dependency: Dependency): void {
  const report = knownOf(dependency).view.takeReport(systemClock.now())
  if (report !== undefined) send(dependency, { isolate: isolate(), ...report })
}

/** No caller waits for it. */
function send(dependency: Dependency, report: BreakerReport): void {
  if (breakers === undefined) return
  const { view } = knownOf(dependency)
  const sent = askBreaker(dependency, report).then((opinion) => {
    if (opinion !== undefined) view.hear(opinion, systemClock.now())
  })
  breakers.keep(sent)
}

/** Random values are not to be had before the first request. */
const isolate = (): string => (isolateName ??= crypto.randomUUID())
