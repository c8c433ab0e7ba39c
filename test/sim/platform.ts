import { seeded, type Chance } from '../jobs/support/chance.ts'
import { Timeline } from '../jobs/support/timeline.ts'
import { Host } from './host.ts'
import { drained } from './globals.ts'
import { nowRuns } from './lives.ts'
import type { ActorClass } from './worker-code.ts'
import type { Weather, World } from './world.ts'

export const calm: Weather = {
  requestLost: 0,
  answerLost: 0,
  repeated: 0,
  crashAtWrite: 0,
  latencyMs: [1, 3],
  diskMs: [1, 2],
}

const start = Date.UTC(2026, 0, 1)

/**
 * Cloudflare's side of the bargain, simulated: actors that wake, sleep and die, storage whose answers wait for the
 * disk, calls and sockets that take their time and get lost. One event after another on a clock of its own, all
 * chance from one seed, so that a seed is a story that can be told again.
 */
export class Platform implements World {
  readonly timeline = new Timeline(start)
  readonly chance: Chance
  readonly hosts = new Map<string, Host>()
  readonly classes: Record<string, ActorClass> = {}
  weather: Weather = calm
  /** Clocks are wrong by this much at most. */
  skewMs = 0
  env: Readonly<Record<string, unknown>> = {}
  /** Ends of turns that wrote, counted; `crashAt` names two moments of one of them, for going through all. */
  boundaries = 0
  crashAt: number | undefined
  /** Invocations of what is no actor, counted: each is a place of its own while it lasts. */
  invocations = 0
  /** How many of them died. */
  retiredDeaths = 0
  /** What happened, line by line, to find the cause of a failure; kept only on request. */
  trace: string[] | undefined

  constructor(seed: number) {
    this.chance = seeded(seed)
  }

  get now(): number {
    return this.timeline.now
  }

  host(kind: string, name: string): Host {
    const key = `${kind} ${name}`
    const known = this.hosts.get(key)
    if (known !== undefined) return known
    const type = this.classes[kind]
    if (type === undefined) throw new Error(`there is no actor ${kind}`)
    const host = new Host(this, kind, name, type)
    this.hosts.set(key, host)
    return host
  }

  /** An invocation is over: its place is gone with it. */
  retire(kind: string, name: string): void {
    const key = `${kind} ${name}`
    const host = this.hosts.get(key)
    this.retiredDeaths += host?.deaths ?? 0
    host?.disk.close()
    this.hosts.delete(key)
  }

  note(tell: () => string): void {
    this.trace?.push(`${(this.now - start).toFixed(1)} ${tell()}`)
  }

  after(ms: number, happen: () => void): void {
    this.timeline.plan(this.now + ms, happen)
  }

  latency(): number {
    const [low, high] = this.weather.latencyMs
    return this.chance.between(low, high)
  }

  /** Lets events happen until `isOver` says so. False when time is up before. */
  async run(isOver: () => boolean, ms: number): Promise<boolean> {
    const end = this.now + ms
    nowRuns(this)
    while (!isOver()) {
      if (this.now > end || !this.timeline.step()) return false
      await drained()
      for (const host of this.hosts.values()) host.endTurn()
    }
    return true
  }
}
