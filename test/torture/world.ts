import { readSettings } from '../../local/settings.ts'
import { startStandIns, type StandIns } from '../../local/stand-ins.ts'
import { kill } from '../support/e2e/processes.ts'
import { DiskFault } from '../support/e2e/strace.ts'
import { freePort, System, unlimited } from '../support/e2e/system.ts'
import { TcpProxy, type Pace, type Weather } from '../support/e2e/tcp-proxy.ts'
import type { Fault, Service } from './faults.ts'
import { HttpFaults } from './http-faults.ts'
import { makeSecrets } from '../support/e2e/secrets.ts'

interface Way {
  readonly answers: HttpFaults
  readonly network: TcpProxy
}

/** What the words of a fault mean to a proxy. */
const weathers = {
  refuse: ['refuse', {}],
  blackhole: ['blackhole', {}],
  mute: ['mute', {}],
  slow: ['pass', { delayMs: 250 }],
  thin: ['pass', { bytesPerSecond: 20_000 }],
} as const satisfies Record<string, readonly [Weather, Pace]>

/** The whole system with something that can fail at every joint; the stand-ins live here and outlast the Worker. */
export class TortureWorld {
  readonly system: System
  readonly people: TcpProxy
  readonly #ways: Readonly<Record<Service, Way>>
  readonly #standIns: StandIns
  readonly #vars: Readonly<Record<string, string>>
  /** One thing at a time is done to the Worker's process, and all wait until it is up again. */
  #process: Promise<unknown> = Promise.resolve()
  deaths = 0
  /** The most calls of actors that have met a fault between two starts of the Worker. */
  struck = 0

  private constructor(
    system: System,
    standIns: StandIns,
    ways: Readonly<Record<Service, Way>>,
    people: TcpProxy,
    vars: Readonly<Record<string, string>>,
  ) {
    this.system = system
    this.#standIns = standIns
    this.#ways = ways
    this.people = people
    this.#vars = vars
  }

  static async start(): Promise<TortureWorld> {
    const system = System.prepare(await freePort(), {
      program: 'test/torture/serve.ts',
      env: { ...unlimited, ALLOW_PRIVATE_ENDPOINTS: '1' },
    })
    const settings = readSettings({ PARLEY_DATA: system.dataDir }, [])
    const standIns = await startStandIns(settings, makeSecrets(system.dataDir))
    const { vars } = standIns
    const redis = new URL(vars['UPSTASH_REDIS_REST_URL'] ?? '')
    const qstash = new URL(vars['QSTASH_URL'] ?? '')
    const ways = {
      postgres: await wayTo(Number(vars['NEON_PROXY']?.split(':')[1])),
      redis: await wayTo(Number(redis.port)),
      qstash: await wayTo(Number(qstash.port)),
    }
    redis.port = String(ways.redis.network.port)
    qstash.port = String(ways.qstash.network.port)
    const world = new TortureWorld(system, standIns, ways, await TcpProxy.before(system.port), {
      ...vars,
      NEON_PROXY: `127.0.0.1:${ways.postgres.network.port}`,
      UPSTASH_REDIS_REST_URL: redis.origin,
      QSTASH_URL: qstash.origin,
    })
    await world.#startAgain()
    return world
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.people.port}/connection/websocket`
  }

  /** Lets a fault happen. Returns how to end it. */
  async begin(fault: Fault): Promise<() => Promise<void>> {
    switch (fault.kind) {
      case 'kill':
        return this.#exclusively(() => this.#kill(fault.whom))
      case 'freeze':
        return this.#freeze()
      case 'disk':
        return this.#breakDisk(fault.how)
      case 'actor':
        await this.#failActors(fault.how)
        return async () => await this.#failActors('none')
      case 'people':
        setWeather(this.people, fault.weather)
        return async () => this.people.set('pass')
      case 'cut':
        this.people.cutAfter(fault.bytes)
        return async () => undefined
      case 'network':
        setWeather(this.#ways[fault.service].network, fault.weather)
        return async () => this.#ways[fault.service].network.set('pass')
      case 'answers':
        this.#ways[fault.service].answers.set(fault.how, fault.share)
        return async () => this.#ways[fault.service].answers.set('well')
    }
  }

  /** Good weather everywhere, and the Worker up. */
  async calm(): Promise<void> {
    this.people.set('pass')
    for (const { answers, network } of Object.values(this.#ways)) {
      answers.set('well')
      network.cut()
      network.set('pass')
    }
    await this.#process
    await this.#failActors('none')
  }

  async stop(): Promise<void> {
    await this.people.stop()
    await Promise.all(Object.values(this.#ways).map(({ network }) => network.stop()))
    await Promise.all(Object.values(this.#ways).map(({ answers }) => answers.stop()))
    await this.#standIns.stop()
    this.system.abandon()
  }

  /** A Worker that was just killed, or stands still, fails in another way. */
  async #failActors(how: string): Promise<void> {
    try {
      const asked = await fetch(`${this.system.url}/actor-faults?${how}`, { signal: AbortSignal.timeout(2000) })
      this.struck = Math.max(this.struck, Number(await asked.text()))
    } catch {
      // It is told of the next fault.
    }
  }

  async #kill(whom: 'worker' | 'launcher'): Promise<() => Promise<void>> {
    this.deaths++
    await (whom === 'worker' ? this.system.killWorker() : this.system.killLauncher())
    await this.#startAgain()
    return async () => undefined
  }

  #freeze(): Promise<() => Promise<void>> {
    return this.#exclusively(async () => {
      const pid = this.system.workerPid
      kill(pid, 'SIGSTOP')
      return async () => kill(pid, 'SIGCONT')
    })
  }

  #breakDisk(how: 'slow' | 'broken'): Promise<() => Promise<void>> {
    return this.#exclusively(async () => {
      const disk = await DiskFault.on(this.system.workerPid, how === 'slow' ? 'delay_exit=150000' : 'error=EIO')
      return async () => {
        await disk.lift()
        if (how === 'broken') await this.#kill('worker')
      }
    })
  }

  /** What is done to the process, one after another, and over before the next begins. */
  #exclusively(begin: () => Promise<() => Promise<void>>): Promise<() => Promise<void>> {
    const ended = Promise.withResolvers<void>()
    const begun = this.#process.then(begin)
    this.#process = begun.then(() => ended.promise).catch(() => undefined)
    return begun.then((end) => async () => {
      try {
        await end()
      } finally {
        ended.resolve()
      }
    })
  }

  /** A start needs its database; it is the operator who repeats it until it works. */
  async #startAgain(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.system.startAgain(this.#vars)
        return
      } catch (thrown) {
        if (attempt === 10) throw thrown
      }
    }
  }
}

function setWeather(proxy: TcpProxy, name: keyof typeof weathers): void {
  const [weather, pace] = weathers[name]
  proxy.set(weather, pace)
}

async function wayTo(port: number): Promise<Way> {
  const answers = await HttpFaults.before(port)
  return { answers, network: await TcpProxy.before(answers.port) }
}
