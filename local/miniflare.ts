import { readFile } from 'node:fs/promises'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { linkMiniflare } from './actor-store.ts'
import { gone, leashWorkerd } from './leash.ts'
import { LocalError } from './local-error.ts'
import { contextEntrypoint, notSplit, workersOf } from './split.ts'
import { endpointNetworks, type Running, type WorkerRun } from './workerd.ts'

/** Runs the Worker on Miniflare with its actors on disk. */
export async function startMiniflare(run: WorkerRun): Promise<Running> {
  const { worker, config, vars, split = notSplit, dataDir, host, port } = run
  const contents = await readFile(worker, 'utf8')
  const workers = workersOf(config, vars, split)
  const options = convertV4MiniflareOptions({
    workers: workers.map(({ name, vars: texts, actors, services }) => ({
      name,
      modules: [{ type: 'ESModule', path: 'worker.js', contents }],
      compatibilityDate: config.compatibilityDate,
      compatibilityFlags: [...config.compatibilityFlags],
      bindings: { ...texts },
      // Files are of the main Worker alone.
      r2Buckets:
        name === 'main' && texts['BLOB_BUCKET_URL'] === undefined
          ? Object.fromEntries((config.buckets ?? []).map(({ binding, bucket }) => [binding, bucket]))
          : {},
      durableObjects: Object.fromEntries(
        actors.map(({ binding, className, storageKey, worker: owner }) => [
          binding,
          { className, useSQLite: true, unsafeUniqueKey: storageKey, ...(owner === name ? {} : { scriptName: owner }) },
        ]),
      ),
      serviceBindings: {
        ENDPOINTS: { network: { ...endpointNetworks(vars), tlsOptions: { trustBrowserCas: true } } },
        ...Object.fromEntries(
          services.map(({ binding, worker: to }) => [binding, { name: to, entrypoint: contextEntrypoint }]),
        ),
      },
    })),
    host,
    port,
    cf: false,
  })
  // The option of older versions, durableObjectsPersist, is ignored here: actors would live in a temporary folder.
  const persistent = { ...options, resourcePersistencePath: await linkMiniflare(dataDir) }
  const workerd = await leashWorkerd(dataDir)
  Object.assign(process.env, workerd.env, { MINIFLARE_WORKERD_PATH: workerd.program })
  const miniflare = keepingSignals(() => new Miniflare(persistent))
  await miniflare.ready
  const ended = endOf(await workerd.pid())
  ended.catch(() => {})
  const running = await Promise.all(workers.map(({ name }) => miniflare.getWorker(name)))
  return {
    ended,
    scheduled: async (cron, at) => {
      const ended = await Promise.all(running.map((each) => each.scheduled({ cron, scheduledTime: at })))
      const failed = ended.find(({ outcome }) => outcome !== 'ok')
      if (failed !== undefined) throw new LocalError(`scheduled() for "${cron}" ended with ${failed.outcome}.`)
    },
    stop: () => miniflare.dispose(),
  }
}

/** Miniflare would end the whole process on a signal, and Postgres in mid-sentence: we stop everything in order ourselves. */
function keepingSignals<T>(make: () => T): T {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const ours = new Map(signals.map((signal) => [signal, process.listeners(signal)]))
  const made = make()
  for (const signal of signals)
    for (const listener of process.listeners(signal))
      if (ours.get(signal)?.includes(listener) !== true) process.removeListener(signal, listener)
  return made
}

/** Miniflare does not say when its workerd is gone. */
async function endOf(pid: number | undefined): Promise<never> {
  await (pid === undefined ? new Promise(() => {}) : gone(pid))
  throw new LocalError('workerd ended by itself; start again: nothing acknowledged is lost.')
}
