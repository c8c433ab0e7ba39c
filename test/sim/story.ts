import { checkHistory, History } from '../support/history.ts'
import { actors } from './globals.ts'
import { nowRuns } from './lives.ts'
import { namespace, stub } from './namespace.ts'
import { provision, Rows, shardWriter, tenant, tokenMaker } from './neighbours.ts'
import { Person } from './person.ts'
import { calm, Platform, type Weather } from './platform.ts'
import { Truth } from './truth.ts'

/** What a story is about, beside its seed. */
export interface Plot {
  readonly people: number
  readonly conversations: number
  readonly gateways: number
  readonly messages: number
  /** Faults besides those of single events: an actor dies or sleeps, a line is cut. */
  readonly faults: number
  readonly links: boolean
  /** The only faults there are: lines that are cut, or gateways that die. */
  readonly only?: 'cuts' | 'gateways'
  readonly weather: Partial<Weather>
  /** Every actor's clock is wrong by up to this much. */
  readonly skewMs?: number
  /** Keeps a line of everything that happens. */
  readonly traced?: boolean
  /** Kills one actor at one moment of one write; see Platform. */
  readonly crashAt?: number
}

/** How it ended: every promise that was broken, and figures that say that something happened at all. */
export interface Ending {
  readonly broken: readonly string[]
  readonly boundaries: number
  readonly deaths: number
  readonly sleeps: number
  readonly entries: number
  readonly rejoins: number
  readonly trace: readonly string[]
}

const lastsMs = 20_000
const calmsWithinMs = 180_000

/** People talk while everything fails; then it stops failing, and all promises are looked at. */
export async function tell(seed: number, plot: Plot): Promise<Ending> {
  const story = new Story(seed, plot, await actors())
  try {
    await story.begin()
    await story.happen()
    return await story.end()
  } finally {
    story.close()
  }
}

class Story {
  readonly #world: Platform
  readonly #plot: Plot
  readonly #rows = new Rows()
  readonly #history: History
  readonly #people: Person[] = []
  readonly #conversations: string[]
  readonly #truth: Truth

  constructor(seed: number, plot: Plot, classes: Awaited<ReturnType<typeof actors>>) {
    const world = new Platform(seed)
    nowRuns(world)
    this.#world = world
    this.#plot = plot
    if (plot.traced === true) world.trace = []
    world.skewMs = plot.skewMs ?? 0
    this.#history = new History(() => world.now)
    this.#conversations = Array.from({ length: plot.conversations }, (_, n) => `room-${n}`)
    this.#truth = new Truth(world, this.#rows, this.#people, this.#conversations)
    Object.assign(world.classes, classes, { ShardWriter: shardWriter(world, this.#rows) })
    const at = (kind: string) => namespace(world, kind)
    world.env = {
      CONVERSATION: at('Conversation'),
      GATEWAY: at('Gateway'),
      INBOX: at('Inbox'),
      RATE_LIMITER: at('RateLimiter'),
      TENANT: at('Tenant'),
      HOUSE: at('House'),
      SHARD_WRITER: at('ShardWriter'),
      ENVIRONMENT: 'production',
      LINKS: plot.links ? 'on' : 'off',
    }
  }

  /** Everybody is in every conversation and listens, in good weather. */
  async begin(): Promise<void> {
    const { people, gateways } = this.#plot
    const members = Array.from({ length: people }, (_, n) => `user-${n}`)
    await this.#call('Tenant', tenant, 'provision', provision)
    const token = tokenMaker(await this.#call('Tenant', tenant, 'admission'))
    for (const id of this.#conversations) {
      const wanted = { tenant, id, type: 'group', name: id, members, createdBy: members[0] }
      await this.#call('Conversation', `${tenant}/${id}`, 'create', wanted)
    }
    const around = { world: this.#world, history: this.#history, token }
    members.forEach((user, n) => this.#people.push(new Person(around, user, `eu/${n % gateways}`, this.#conversations)))
    for (const person of this.#people) person.come()
    await this.#until('everybody listens', () => this.#people.every(({ isListening }) => isListening))
  }

  /** Messages and faults, at random times. */
  async happen(): Promise<void> {
    const { messages, faults, weather, crashAt } = this.#plot
    const { chance } = this.#world
    this.#world.weather = { ...calm, ...weather }
    this.#world.boundaries = 0
    this.#world.crashAt = crashAt
    for (let n = 0; n < messages; n++) this.#world.after(chance.below(lastsMs), () => this.#talk())
    for (let n = 0; n < faults; n++) this.#world.after(chance.below(lastsMs), () => this.#fault())
    let over = false
    this.#world.after(lastsMs, () => (over = true))
    await this.#until('the day is over', () => over)
  }

  /** Good weather again: everything must come right by itself. */
  async end(): Promise<Ending> {
    const { boundaries } = this.#world
    this.#world.weather = calm
    this.#world.crashAt = undefined
    let looks = 0
    const settled = await this.#world.run(
      () => ++looks % 32 === 0 && this.#truth.unsettled().length === 0,
      calmsWithinMs,
    )
    const log = this.#truth.log
    for (const { user } of this.#people) this.#truth.countAll(this.#history, user)
    const hosts = [...this.#world.hosts.values()]
    const deaths = hosts.reduce((sum, host) => sum + host.deaths, 0)
    const sleeps = hosts.reduce((sum, host) => sum + host.sleeps, 0)
    return {
      broken: [
        ...(settled ? [] : [`not settled: ${this.#truth.unsettled().join('; ')}`]),
        ...checkHistory(this.#history, log).map(({ check, what }) => `${check}: ${what}`),
        ...this.#people.flatMap(({ trouble }) => trouble),
        ...this.#rows.contradictions,
        ...this.#truth.differentRows(),
      ],
      boundaries,
      deaths,
      sleeps,
      entries: log.length,
      rejoins: this.#people.reduce((sum, { arrivals }) => sum + arrivals - 1, 0),
      trace: this.#world.trace ?? [],
    }
  }

  close(): void {
    for (const { disk } of this.#world.hosts.values()) disk.close()
  }

  #talk(): void {
    const { chance } = this.#world
    const person = this.#people[chance.below(this.#people.length)]
    const conversation = this.#conversations[chance.below(this.#conversations.length)] ?? ''
    const kind = chance.below(10)
    if (kind === 0) person?.mention('conversation.read', { conversation, seq: person.heardUpTo(conversation) })
    else if (kind === 1) person?.mention('conversation.typing', { conversation })
    else if (kind === 2)
      person?.mention('message.edit', { conversation, seq: 1 + chance.below(5), text: 'in other words' })
    else for (let n = chance.happens(0.2) ? chance.below(8) : 1; n > 0; n--) person?.say(conversation)
  }

  #fault(): void {
    const { chance } = this.#world
    const hosts = [...this.#world.hosts.values()]
    const host = hosts[chance.below(hosts.length)]
    const { only } = this.#plot
    if (only === 'gateways') return this.#loseGateway()
    switch (only === 'cuts' ? 3 : chance.below(4)) {
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
        this.#people[chance.below(this.#people.length)]?.cut()
    }
  }

  /** A call from outside, in good weather. */
  async #call(kind: string, name: string, method: string, ...given: unknown[]): Promise<unknown> {
    const answer: { value?: unknown; came: boolean } = { came: false }
    const actor = stub(this.#world, kind, name)
    void actor[method]?.(...given).then((value) => Object.assign(answer, { value, came: true }))
    await this.#until(`${kind} answers ${method}`, () => answer.came)
    return answer.value
  }

  #loseGateway(): void {
    const gateways = [...this.#world.hosts.values()].filter(({ kind }) => kind === 'Gateway')
    gateways[this.#world.chance.below(gateways.length)]?.crash(0)
  }

  async #until(what: string, isSo: () => boolean): Promise<void> {
    if (!(await this.#world.run(isSo, 60_000)))
      throw new Error(`${what}: that did not happen\n${this.#world.trace?.join('\n') ?? ''}`)
  }
}
