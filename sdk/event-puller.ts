import { wireFailure } from './failure.ts'
import { count, fields, items, text } from './parse.ts'

/** A connection that was made with a token whose capabilities have `{"channels": ["consumer:<name>"], "allow": ["pull"]}`. A `Centrifuge` is one. */
export interface RpcConnection {
  rpc(method: string, data: unknown): Promise<{ readonly data: unknown }>
}

/** An event as a consumer gets it. */
export interface PulledEvent {
  /** The same on every attempt; what `oncePerDelivery` notes. */
  readonly id: string
  /** 1 for the first. */
  readonly attempt: number
  /** The event as a CloudEvent. */
  readonly event: unknown
}

export interface PullOptions {
  readonly consumer: string
  /** Makes the effect of an event. When it throws, the event is handed out again after a pause. */
  readonly handle: (event: PulledEvent) => void | Promise<void>
  /** Ends pulling, once the events at hand are settled. */
  readonly signal: AbortSignal
  /** Events of one pull, 1 to 100; 10 by default. */
  readonly max?: number
  /** How long the events of one pull may take together; 30 by default. */
  readonly leaseSeconds?: number
  /** For tests; real time by default. */
  readonly pause?: (ms: number) => Promise<void>
}

const longestPauseMs = 30_000

/**
 * Pulls events of a consumer over a connection until the signal aborts: each is handled, and settled by whether that threw. Waits
 * while Parley cannot be reached; throws ParleyError when it refuses for good.
 */
export async function pullEvents(connection: RpcConnection, options: PullOptions): Promise<void> {
  const { consumer, handle, signal, max = 10, leaseSeconds = 30, pause = sleep } = options
  for (let failures = 0; !signal.aborted;)
    try {
      const pulled = fields((await connection.rpc('events.pull', { consumer, max, leaseSeconds, waitSeconds: 2 })).data)
      failures = 0
      const events = items(pulled['events']).map(eventOf)
      if (events.length === 0) continue
      const outcomes = await handled(events, handle)
      await settled(connection, { consumer, lease: text(pulled['lease']), ...outcomes }, pause)
    } catch (thrown) {
      const failure = wireFailure(thrown)
      if (!failure.temporary) throw failure
      failures++
      await pause(failure.retryAfterMs ?? Math.min(longestPauseMs, 500 * 2 ** Math.min(failures, 10)))
    }
}

interface Outcomes {
  readonly done: readonly number[]
  readonly failed: readonly { readonly offset: number; readonly reason: string }[]
}

async function handled(events: readonly Pulled[], handle: PullOptions['handle']): Promise<Outcomes> {
  const done: number[] = []
  const failed: { offset: number; reason: string }[] = []
  for (const { offset, ...event } of events)
    try {
      await handle(event)
      done.push(offset)
    } catch (thrown) {
      failed.push({ offset, reason: (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, 500) })
    }
  return { done, failed }
}

/** Tries a few times: what is not settled comes again when its lease is over. */
async function settled(
  connection: RpcConnection,
  outcomes: Outcomes & { readonly consumer: string; readonly lease: string },
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      await connection.rpc('events.acknowledge', outcomes)
      return
    } catch (thrown) {
      const failure = wireFailure(thrown)
      if (!failure.temporary || attempt === 3) throw failure
      await pause(failure.retryAfterMs ?? 500 * attempt)
    }
}

type Pulled = PulledEvent & { readonly offset: number }

function eventOf(given: unknown): Pulled {
  const { id, attempt, event } = fields(given)
  return { id: text(id), attempt: count(attempt), event, offset: count(fields(event)['offset']) }
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
