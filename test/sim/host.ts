import { Disk } from './disk.ts'
import { lives } from './lives.ts'
import { entrypoint } from './namespace.ts'
import { UpgradeResponse, type Socket } from './sockets.ts'
import type { ActorClass } from './worker-code.ts'
import type { Life, Outcome, World } from './world.ts'

interface Output {
  readonly after: number
  readonly leave: () => void
}

/** The most a platform tries an alarm again. */
const alarmTries = 6

/** Where one actor lives: its disk, its sockets and its gate outlast it; its memory does not. */
export class Host {
  readonly platform: World
  readonly kind: string
  readonly name: string
  readonly disk = new Disk()
  readonly sockets = new Set<Socket>()
  autoResponse: { readonly request: string; readonly response: string } | undefined
  /** By how much its clock is wrong, in milliseconds. */
  readonly skewMs: number
  deaths = 0
  sleeps = 0
  /** When it lost its memory, dying or falling asleep. */
  readonly losses: number[] = []
  readonly #class: ActorClass
  #life: Life | undefined
  #instance: object = {}
  /** While this is pending, calls and alarms wait: `blockConcurrencyWhile`. */
  #blocked: Promise<unknown> | undefined
  #outputs: Output[] = []
  #flushing = false
  #ringing: number | null = null
  /** While one rings another may be set, for the very same moment too. */
  #setAnew = false
  /** Calls that wait for this actor: they fail when it dies. */
  readonly #open = new Set<() => void>()

  constructor(platform: World, kind: string, name: string, type: ActorClass) {
    this.platform = platform
    this.kind = kind
    this.name = name
    this.#class = type
    this.skewMs = platform.chance.between(-platform.skewMs, platform.skewMs)
  }

  /** The life that is, or a new one. */
  wake(): Life {
    if (this.#life !== undefined) return this.#life
    const life: Life = { host: this, dead: false, busy: 0 }
    this.#life = life
    lives.run(life, () => {
      this.#instance = new this.#class(this.#state(), this.platform.env)
    })
    return life
  }

  /** Something happens to the actor. */
  enter(happen: (instance: object) => void): void {
    const life = this.wake()
    lives.run(life, () => happen(this.#instance))
  }

  /** A call arrives; `settle` hears its outcome once everything the actor had written before answering is safe. */
  receive(method: string, given: readonly unknown[], settle: (outcome: Outcome) => void): void {
    const broken = () => settle({ kind: 'failed', why: `${this.kind} ${this.name} was lost` })
    this.#open.add(broken)
    this.platform.note(() => `${this.kind} ${this.name} < ${method} ${JSON.stringify(given)}`)
    const answer = (outcome: Outcome) =>
      this.output(() => {
        if (this.#open.delete(broken)) settle(outcome)
      })
    this.enter((instance) => {
      void this.#invoke(instance, method, given).then(
        (value) =>
          answer({ kind: 'answered', value: value instanceof UpgradeResponse ? value : structuredClone(value) }),
        (thrown: unknown) => answer({ kind: 'failed', why: String(thrown) }),
      )
    })
  }

  /** Whatever leaves an actor waits for what it has written so far. */
  output(leave: () => void): void {
    const after = this.disk.size
    if (this.#outputs.length === 0 && this.disk.confirmed >= after) leave()
    else this.#outputs.push({ after, leave })
  }

  /** The event is over: what it wrote is on its way to the disk. */
  endTurn(): void {
    const end = this.disk.endTurn()
    if (end === undefined) return
    const { platform } = this
    const boundary = platform.boundaries++
    const dies = platform.chance.happens(platform.weather.crashAtWrite)
    if (platform.crashAt === 2 * boundary) return this.crash(0)
    if (platform.crashAt === 2 * boundary + 1) return this.crash(Infinity)
    if (dies) return this.crash(platform.chance.below(this.disk.unconfirmedTurns + 1))
    this.#flush()
    this.#arm()
  }

  /** The actor is gone with all it had in mind. Of its unconfirmed turns `kept` survive. */
  crash(kept: number): void {
    if (this.#life === undefined) return
    this.platform.note(() => `${this.kind} ${this.name} dies, ${kept} of ${this.disk.unconfirmedTurns} turns kept`)
    this.deaths++
    this.#die()
    this.disk.crash(kept)
    for (const broken of this.#open) this.platform.after(this.platform.latency(), broken)
    this.#open.clear()
    for (const socket of this.sockets) socket.cut()
    this.#ringing = null
    this.#arm()
  }

  /** Sleeps if it has nothing to do; its sockets stay. */
  sleep(): void {
    const life = this.#life
    const idle = life?.busy === 0 && this.#open.size === 0 && this.#outputs.length === 0 && this.#ringing === null
    if (!idle || this.disk.confirmed < this.disk.size) return
    this.platform.note(() => `${this.kind} ${this.name} sleeps`)
    this.sleeps++
    this.#die()
  }

  /** It gives itself up: what it did not finish is undone. */
  #abort(why: string): void {
    this.platform.note(() => `${this.kind} ${this.name} gives up: ${why}`)
    this.crash(0)
  }

  #die(): void {
    this.losses.push(this.platform.now)
    if (this.#life !== undefined) this.#life.dead = true
    this.#life = undefined
    this.#instance = {}
    this.#blocked = undefined
    this.#outputs = []
    this.#flushing = false
  }

  #flush(): void {
    if (this.#flushing || this.disk.confirmed >= this.disk.size) return
    const life = this.#life
    const end = this.disk.size
    const [low, high] = this.platform.weather.diskMs
    this.#flushing = true
    this.platform.after(this.platform.chance.between(low, high), () => {
      if (life !== this.#life) return
      this.#flushing = false
      this.disk.confirm(end)
      if (this.platform.chance.happens(this.platform.weather.crashAtWrite)) return this.crash(0)
      this.#release()
      this.#flush()
    })
  }

  #release(): void {
    while ((this.#outputs[0]?.after ?? Infinity) <= this.disk.confirmed) this.#outputs.shift()?.leave()
  }

  /** Rings when the alarm on the disk is due: also after a crash, and again when the handler failed. */
  #arm(): void {
    const { alarm } = this.disk
    if (alarm === null) return
    this.platform.after(Math.max(0, alarm - this.skewMs - this.platform.now), () => {
      if (this.disk.alarm === alarm && this.#ringing === null) this.#ring(alarm, 0)
    })
  }

  #ring(at: number, tries: number): void {
    this.#ringing = at
    this.#setAnew = false
    let life: Life | undefined
    const over = (failed: boolean) => {
      if (life !== this.#life) return
      this.#ringing = null
      if (this.#setAnew) return this.#arm()
      if (failed && tries < alarmTries) return this.platform.after(2000 * 2 ** tries, () => this.#ring(at, tries + 1))
      this.disk.setAlarm(null)
    }
    this.enter((instance) => {
      life = this.#life
      void this.#invoke(instance, 'alarm', []).then(
        () => over(false),
        () => over(true),
      )
    })
  }

  #invoke(instance: object, method: string, given: readonly unknown[]): Promise<unknown> {
    if (this.#blocked === undefined) return invoke(instance, method, given)
    return this.#blocked.then(() => invoke(instance, method, given))
  }

  #block(work: () => Promise<unknown>): void {
    const life = this.#life
    this.#blocked = work().finally(() => {
      if (life === this.#life) this.#blocked = undefined
    })
  }

  #state(): unknown {
    const { disk } = this
    const setAlarm = async (at: number) => {
      this.#setAnew = true
      disk.setAlarm(at)
    }
    // While an alarm rings there is none, unless it was set anew.
    const getAlarm = async () => (this.#ringing !== null && !this.#setAnew ? null : disk.alarm)
    return {
      id: { name: this.name },
      storage: {
        sql: disk,
        kv: disk,
        setAlarm,
        getAlarm,
        transactionSync: <T>(work: () => T) => disk.transaction(work),
        deleteAll: async () => disk.deleteAll(),
      },
      blockConcurrencyWhile: (work: () => Promise<unknown>) => this.#block(work),
      exports: {
        JobWorker: entrypoint(this.platform, 'JobWorker'),
        SagaWorker: entrypoint(this.platform, 'SagaWorker'),
      },
      abort: (why: string) => this.#abort(why),
      acceptWebSocket: (socket: Socket) => socket.hibernateAt(this),
      getWebSockets: () => [...this.sockets].filter(({ hibernates }) => hibernates),
      setWebSocketAutoResponse: (pair: { request: string; response: string }) => (this.autoResponse = pair),
      getWebSocketAutoResponseTimestamp: (socket: Socket) =>
        socket.answeredAt === undefined ? null : new Date(socket.answeredAt),
      // Its end is not reported.
      waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined),
    }
  }
}

async function invoke(instance: object, method: string, given: readonly unknown[]): Promise<unknown> {
  const found: unknown = Reflect.get(instance, method)
  if (typeof found !== 'function') throw new Error(`there is no method ${method}`)
  return await Reflect.apply(found, instance, given)
}
