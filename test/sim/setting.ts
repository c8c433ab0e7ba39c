import { actors } from './globals.ts'
import { nowRuns } from './lives.ts'
import { namespace, stub } from './namespace.ts'
import { provision } from './neighbours.ts'
import { calm, Platform } from './platform.ts'
import type { Weather } from './world.ts'
import type { ActorClass } from './worker-code.ts'

/** What goes wrong on a day, whatever it is about. */
export interface Day {
  /** Faults besides those of single events: an actor dies or sleeps, a line is cut. */
  readonly faults: number
  readonly weather: Partial<Weather>
  /** Every actor's clock is wrong by up to this much. */
  readonly skewMs?: number
  /** Keeps a line of everything that happens. */
  readonly traced?: boolean
  /** Kills one actor at one moment of one write; see Platform. */
  readonly crashAt?: number
}

/** How a story ended: every promise that was broken, and figures that say that something happened at all. */
export interface Ending {
  readonly broken: readonly string[]
  readonly boundaries: number
  readonly deaths: number
  readonly sleeps: number
  /** How long it lasted on its own clock, in milliseconds. */
  readonly lastedMs: number
  readonly trace: readonly string[]
}

/** A story that can be told: its people arrive, its day passes, and everything is looked at. */
export interface Story<E> {
  begin(): Promise<void>
  happen(): Promise<void>
  end(): Promise<E>
}

const lastsMs = 20_000

const eventBindings = {
  EVENT_CATALOG: 'EventCatalog',
  EVENT_CONSUMER: 'EventConsumer',
  EVENT_LOG: 'EventLog',
  RECIPIENTS: 'Recipients',
  SAGA: 'Saga',
  SAGA_CATALOG: 'SagaCatalog',
} as const

/** What every story is set in: the deployed actors on a platform of their own, and a day of weather. */
export class Setting {
  readonly world: Platform
  readonly #day: Day
  readonly #began: number
  #boundaries = 0

  /** `neighbours` are the actors that are simulated, `vars` what the environment has beside actors, `bundle` the deployed actors. */
  static async of(
    seed: number,
    day: Day,
    neighbours: (world: Platform) => Readonly<Record<string, ActorClass>>,
    vars: Readonly<Record<string, unknown>>,
    bundle = actors,
  ): Promise<Setting> {
    const classes = await bundle()
    // What a process remembers would make one day depend on another.
    for (const [name, forget] of Object.entries(classes))
      if (name.startsWith('forget')) Reflect.apply(forget, undefined, [])
    const world = new Platform(seed)
    nowRuns(world)
    if (day.traced === true) world.trace = []
    world.skewMs = day.skewMs ?? 0
    Object.assign(world.classes, classes, neighbours(world))
    const at = (kind: string) => namespace(world, kind)
    // Days of messages have no actors of events and sagas: a binding without its class would be a call that ends the day.
    const known = Object.entries(eventBindings).filter(([, kind]) => kind in world.classes)
    world.env = {
      ...Object.fromEntries(known.map(([name, kind]) => [name, at(kind)])),
      ACTIVITY: at('Activity'),
      ACTOR_NAMES: at('ActorNames'),
      CONVERSATION: at('Conversation'),
      GATEWAY: at('Gateway'),
      PLATFORM: at('Platform'),
      INBOX: at('Inbox'),
      INBOX_NOTES: at('InboxNotes'),
      CACHE_EPOCHS: at('CacheEpochs'),
      JOB_QUEUE: at('JobQueue'),
      RATE_LIMITER: at('RateLimiter'),
      SHARD_WRITER: at('ShardWriter'),
      TENANT: at('Tenant'),
      TOPIC: at('Topic'),
      ENVIRONMENT: 'production',
      ...vars,
    }
    return new Setting(world, day)
  }

  private constructor(world: Platform, day: Day) {
    this.world = world
    this.#day = day
    this.#began = world.now
  }

  /** Tells a story to its end, and clears the stage whatever happens. */
  async play<E>(story: Story<E>): Promise<E> {
    try {
      await story.begin()
      await story.happen()
      return await story.end()
    } finally {
      this.close()
    }
  }

  /** A tenant as its operator makes it; returns what lets users in. */
  async admit(tenant: string): Promise<unknown> {
    await this.call('Tenant', tenant, 'provision', provision(tenant))
    return await this.call('Tenant', tenant, 'admission')
  }

  /** The day itself: `event` so many times and a fault as often as the day wants it, at random moments. */
  async happen(events: number, event: () => void, fault: () => void): Promise<void> {
    const { world } = this
    const { faults, weather, crashAt } = this.#day
    world.weather = { ...calm, ...weather }
    world.boundaries = 0
    world.crashAt = crashAt
    for (let n = 0; n < events; n++) world.after(world.chance.below(lastsMs), event)
    for (let n = 0; n < faults; n++) world.after(world.chance.below(lastsMs), fault)
    let over = false
    world.after(lastsMs, () => (over = true))
    await this.until('the day is over', () => over)
    this.#boundaries = world.boundaries
  }

  /** Good weather again: everything must come right by itself. Returns what is still unsettled when time is up. */
  async calmDown(unsettled: () => readonly string[], withinMs: number): Promise<readonly string[]> {
    const { world } = this
    world.weather = calm
    world.crashAt = undefined
    let looks = 0
    await world.run(() => ++looks % 32 === 0 && unsettled().length === 0, withinMs)
    const left = unsettled()
    return left.length === 0 ? [] : [`not settled: ${left.join('; ')}`]
  }

  /** Time goes by. */
  async pass(ms: number): Promise<void> {
    const end = this.world.now + ms
    this.world.after(ms, () => undefined)
    await this.until('time goes by', () => this.world.now >= end)
  }

  ending(broken: readonly string[]): Ending {
    const { world } = this
    const hosts = [...world.hosts.values()]
    return {
      broken,
      boundaries: this.#boundaries,
      deaths: hosts.reduce((sum, host) => sum + host.deaths, world.retiredDeaths),
      sleeps: hosts.reduce((sum, host) => sum + host.sleeps, 0),
      lastedMs: world.now - this.#began,
      trace: world.trace ?? [],
    }
  }

  /** One actor dies, or many at once, or all fall asleep who can; or a line is cut, which is the story's own. */
  befall(cut: () => void): void {
    const { chance } = this.world
    const hosts = [...this.world.hosts.values()]
    const host = hosts[chance.below(hosts.length)]
    switch (chance.below(4)) {
      case 0:
        host?.crash(chance.below(host.disk.unconfirmedTurns + 1))
        break
      case 1:
        for (const one of hosts) if (chance.happens(0.5)) one.crash(chance.below(one.disk.unconfirmedTurns + 1))
        break
      case 2:
        for (const one of hosts) one.sleep()
        break
      default:
        cut()
    }
  }

  /** One actor of a kind dies. */
  lose(kind: string): void {
    const hosts = [...this.world.hosts.values()].filter((host) => host.kind === kind)
    hosts[this.world.chance.below(hosts.length)]?.crash(0)
  }

  /** A call from outside that is waited for, in good weather. */
  async call(kind: string, name: string, method: string, ...given: unknown[]): Promise<unknown> {
    const answer: { value?: unknown; came: boolean } = { came: false }
    const actor = stub(this.world, kind, name)
    void actor[method]?.(...given).then((value) => Object.assign(answer, { value, came: true }))
    await this.until(`${kind} answers ${method}`, () => answer.came)
    return answer.value
  }

  /** A call from outside whose answer nothing waits for, in any weather. */
  send(kind: string, name: string, method: string, ...given: unknown[]): void {
    const actor = stub(this.world, kind, name)
    actor[method]?.(...given).catch(() => undefined)
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    if (!(await this.world.run(isSo, 60_000)))
      throw new Error(`${what}: that did not happen\n${this.world.trace?.join('\n') ?? ''}`)
  }

  close(): void {
    for (const { disk } of this.world.hosts.values()) disk.close()
  }
}
