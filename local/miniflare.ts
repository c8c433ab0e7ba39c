import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import type { Running, WorkerRun } from './workerd.ts'

/** Runs the Worker on Miniflare with its actors on disk. */
export async function startMiniflare({ worker, config, vars, dataDir, host, port }: WorkerRun): Promise<Running> {
  const contents = await readFile(worker, 'utf8')
  const options = convertV4MiniflareOptions({
    name: 'parley',
    modules: [{ type: 'ESModule', path: 'worker.js', contents }],
    compatibilityDate: config.compatibilityDate,
    compatibilityFlags: [...config.compatibilityFlags],
    bindings: { ...vars },
    durableObjects: Object.fromEntries(
      config.actors.map(({ binding, className }) => [binding, { className, useSQLite: true }]),
    ),
    host,
    port,
    cf: false,
  })
  // The option of older versions, durableObjectsPersist, is ignored here: actors would live in a temporary folder.
  const miniflare = new Miniflare({ ...options, resourcePersistencePath: join(dataDir, 'miniflare') })
  await miniflare.ready
  return { ended: new Promise<never>(() => {}), stop: () => miniflare.dispose() }
}
