import { join } from 'node:path'
import { buildAll } from './build.ts'
import { startClock } from './clock.ts'
import { claimPort, openData } from './data-folder.ts'
import { endLeftover } from './leash.ts'
import { endWith } from './local-error.ts'
import { Operator } from './operator.ts'
import { readSettings, type Settings } from './settings.ts'
import { startStandIns } from './stand-ins.ts'
import { readWorkerConfig } from './worker-config.ts'
import type { Running, WorkerRun } from './workerd.ts'

/** The tenant and key every local system has. */
export const localTenant = 'demo'
export const localApiKey = 'demo-key'

/** Starts everything around the Worker and the Worker itself, says where it is, and ends all of it on a signal. */
export async function runSystem(
  startWorker: (run: WorkerRun) => Promise<Running>,
  banner: (settings: Settings, notes: readonly string[]) => string,
): Promise<void> {
  const cleanups: (() => Promise<void> | void)[] = []
  const stopAll = async () => {
    for (const cleanup of cleanups.toReversed()) await Promise.resolve(cleanup()).catch(console.error)
  }
  try {
    const settings = readSettings(process.env, process.argv.slice(2))
    const stopped = new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
    })
    const running = start(settings, startWorker, cleanups, banner)
    await Promise.race([stopped, running.then(({ ended }) => ended)])
    await stopAll()
    process.exit(0)
  } catch (thrown) {
    await stopAll()
    endWith(thrown)
  }
}

async function start(
  settings: Settings,
  startWorker: (run: WorkerRun) => Promise<Running>,
  cleanups: (() => Promise<void> | void)[],
  banner: (settings: Settings, notes: readonly string[]) => string,
): Promise<Running> {
  await endLeftover(settings.dataDir)
  await claimPort(settings)
  const secrets = await openData(settings)
  const worker = join(settings.dataDir, 'worker.js')
  const starting = startStandIns(settings, secrets)
  // Also when something else fails meanwhile; a start that fails has stopped its own.
  cleanups.push(() => starting.then((standIns) => standIns.stop()).catch(() => {}))
  const [standIns, config] = await Promise.all([starting, readWorkerConfig(), buildAll(worker)])

  const origin = `http://${settings.host === '0.0.0.0' ? '127.0.0.1' : settings.host}:${settings.port}`
  const vars = { ...localVars(settings, secrets.adminKey, origin), ...standIns.vars }
  const running = await startWorker({ worker, config, vars, ...settings })
  cleanups.push(() => running.stop())

  const operator = new Operator(origin, secrets.adminKey)
  await Promise.race([operator.ready(60_000), running.ended])
  await operator.provision(localTenant, limitsOf(settings))
  await operator.runCron('partitions')
  cleanups.push(() => drain(operator, settings, running))
  cleanups.push(await startClock(operator))
  console.log(banner(settings, [...(settings.isOpen ? [openNote] : []), ...standIns.notes]))
  return running
}

const openNote = 'Open        anybody may do anything here without a token; for development only'

/** Jobs under way end first; one that takes longer is begun anew after the next start. */
async function drain(operator: Operator, { drainSeconds }: Settings, { ended }: Running): Promise<void> {
  const drained = operator.drain(drainSeconds)
  await Promise.race([drained, ended]).catch(() => undefined)
}

const localVars = (
  { tuned, allowPrivateEndpoints, isOpen, real }: Settings,
  adminKey: string,
  origin: string,
): Record<string, string> => ({
  ...tuned,
  ENVIRONMENT: 'local',
  LOCAL_TENANT: localTenant,
  LOCAL_API_KEY: localApiKey,
  ADMIN_KEY: adminKey,
  PUBLIC_URL: real['PUBLIC_URL'] ?? origin,
  ...(isOpen ? { PARLEY_PROFILE: 'open' } : {}),
  ...(allowPrivateEndpoints ? { ALLOW_PRIVATE_ENDPOINTS: '1' } : {}),
})

/**
 * A limit that was set holds for the local tenant, with a burst of twice as many, as the default has. The open profile
 * has none that anybody would meet: it stands for servers that have none.
 */
const limitsOf = ({ messagesPerSecond, requestsPerSecond, isOpen }: Settings): Record<string, number> => ({
  ...(isOpen ? noLimits : {}),
  ...(messagesPerSecond === undefined ? {} : { messagesPerSecond, messagesBurst: 2 * messagesPerSecond }),
  ...(requestsPerSecond === undefined
    ? {}
    : {
        requestsPerSecondUser: requestsPerSecond,
        requestsPerSecondKey: requestsPerSecond,
        commandsPerSecondConnection: requestsPerSecond,
      }),
})

const noLimits = {
  messagesPerSecond: 100_000,
  messagesBurst: 200_000,
  commandsPerSecondConnection: 100_000,
  connectsPerSecondUser: 100_000,
  connectionsPerUser: 10_000,
  requestsPerSecondUser: 100_000,
  requestsPerSecondKey: 100_000,
}
