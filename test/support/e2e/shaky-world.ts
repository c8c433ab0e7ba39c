import { readSettings } from '../../../local/settings.ts'
import { startStandIns, type StandIns } from '../../../local/stand-ins.ts'
import { freePort, System } from './system.ts'
import { TcpProxy } from './tcp-proxy.ts'
import { makeSecrets } from './secrets.ts'

/** The system with a shaky network between the Worker and everything behind it. */
export class ShakyWorld {
  readonly system: System
  readonly postgres: TcpProxy
  readonly redis: TcpProxy
  readonly qstash: TcpProxy
  readonly #standIns: StandIns

  private constructor(system: System, standIns: StandIns, proxies: readonly [TcpProxy, TcpProxy, TcpProxy]) {
    this.system = system
    this.#standIns = standIns
    ;[this.postgres, this.redis, this.qstash] = proxies
  }

  static async start(env: Readonly<Record<string, string>> = {}): Promise<ShakyWorld> {
    const system = System.prepare(await freePort())
    const settings = readSettings({ PARLEY_DATA: system.dataDir }, [])
    const standIns = await startStandIns(settings, makeSecrets(system.dataDir))
    const { vars } = standIns
    const redisUrl = new URL(vars['UPSTASH_REDIS_REST_URL'] ?? '')
    const qstashUrl = new URL(vars['QSTASH_URL'] ?? '')
    const proxies = [
      await TcpProxy.before(Number(vars['NEON_PROXY']?.split(':')[1])),
      await TcpProxy.before(Number(redisUrl.port)),
      await TcpProxy.before(Number(qstashUrl.port)),
    ] as const
    redisUrl.port = String(proxies[1].port)
    qstashUrl.port = String(proxies[2].port)
    const world = new ShakyWorld(system, standIns, proxies)
    await system.startAgain({
      ...vars,
      NEON_PROXY: `127.0.0.1:${proxies[0].port}`,
      UPSTASH_REDIS_REST_URL: redisUrl.origin,
      QSTASH_URL: qstashUrl.origin,
      ...env,
    })
    return world
  }

  /** Good weather again, everywhere. */
  calm(): void {
    for (const proxy of [this.postgres, this.redis, this.qstash]) proxy.set('pass')
  }

  async stop(): Promise<void> {
    await Promise.all([this.postgres.stop(), this.redis.stop(), this.qstash.stop()])
    await this.#standIns.stop()
    this.system.abandon()
  }
}
