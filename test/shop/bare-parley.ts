import { join } from 'node:path'
import { buildAll } from '../../local/build.ts'
import { Operator } from '../../local/operator.ts'
import { readWorkerConfig, type WorkerConfig } from '../../local/worker-config.ts'
import { startWorkerd, type Running } from '../../local/workerd.ts'
import { kill, naming } from '../support/e2e/processes.ts'

const adminKey = 'operator-of-the-shop'
/** The tenant's API key. */
export const apiKey = 'demo-key'

/** Parley on plain workerd without a data plane: events and sagas need none. It can be killed and started again on its data. */
export class BareParley {
  readonly #folder: string
  readonly #config: WorkerConfig
  readonly port: number
  #running: Running | undefined

  private constructor(folder: string, port: number, config: WorkerConfig) {
    this.#folder = folder
    this.port = port
    this.#config = config
  }

  static async start(folder: string, port: number): Promise<BareParley> {
    const [config] = await Promise.all([readWorkerConfig(), buildAll(join(folder, 'worker.js'))])
    const parley = new BareParley(folder, port, config)
    await parley.startAgain()
    const limits = { requestsPerSecondKey: 100_000, requestsPerSecondUser: 100_000 }
    await new Operator(parley.url, adminKey).provision('demo', limits)
    return parley
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async startAgain(): Promise<void> {
    this.#running = await startWorkerd({
      worker: join(this.#folder, 'worker.js'),
      config: this.#config,
      vars: {
        ENVIRONMENT: 'local',
        LOCAL_TENANT: 'demo',
        LOCAL_API_KEY: apiKey,
        ADMIN_KEY: adminKey,
        ALLOW_PRIVATE_ENDPOINTS: '1',
      },
      dataDir: this.#folder,
      host: '127.0.0.1',
      port: this.port,
    })
    await new Operator(this.url, adminKey).ready(60_000)
  }

  /** `kill -9`, in the middle of whatever it does. */
  async kill(): Promise<void> {
    for (const { pid } of naming(join(this.#folder, 'workerd.capnp'))) kill(pid, 'SIGKILL')
    await this.#running?.ended.catch(() => undefined)
  }

  async stop(): Promise<void> {
    await this.#running?.stop()
  }
}
