import type { Chance } from '../jobs/support/chance.ts'
import type { Timeline } from '../jobs/support/timeline.ts'

/** The simulated platform as its parts see it. */
export interface World {
  readonly timeline: Timeline
  readonly chance: Chance
  readonly weather: Weather
  readonly skewMs: number
  readonly env: Readonly<Record<string, unknown>>
  readonly now: number
  readonly crashAt: number | undefined
  boundaries: number
  invocations: number
  host(kind: string, name: string): ActorHost
  retire(kind: string, name: string): void
  note(tell: () => string): void
  after(ms: number, happen: () => void): void
  latency(): number
}

/** The place of one actor, as calls and sockets see it. */
export interface ActorHost {
  readonly skewMs: number
  readonly sockets: { add(socket: object): unknown; delete(socket: object): unknown }
  readonly autoResponse: { readonly request: string; readonly response: string } | undefined
  enter(happen: (instance: object) => void): void
  receive(method: string, given: readonly unknown[], settle: (outcome: Outcome) => void): void
  output(leave: () => void): void
}

/** One life of an actor: from waking to sleeping or dying. What a dead one still waits for never comes. */
export interface Life {
  readonly host: ActorHost
  dead: boolean
  /** Calls under way and timers set: while there are any, it does not sleep. */
  busy: number
}

/** What became of a call. */
export type Outcome =
  | { readonly kind: 'answered'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly why: string }

/** How bad the weather is. Probabilities per event, times in milliseconds. */
export interface Weather {
  readonly requestLost: number
  readonly answerLost: number
  /** A call arrives a second time, a little later. */
  readonly repeated: number
  /** An actor loses its memory at the end of a turn that wrote, before or after the disk confirms it. */
  readonly crashAtWrite: number
  readonly latencyMs: readonly [number, number]
  readonly diskMs: readonly [number, number]
}
