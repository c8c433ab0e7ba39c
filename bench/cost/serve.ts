import { rename } from 'node:fs/promises'
import { build } from 'esbuild'
import { runSystem } from '../../local/system.ts'
import { startWorkerd, type WorkerRun } from '../../local/workerd.ts'

/** Puts the meter around a Worker that is already built; entry points that are no actors stay as they are. */
async function meter({ worker, config }: WorkerRun): Promise<void> {
  const inner = `${worker}.inner.js`
  await rename(worker, inner)
  const actors = [...new Set(config.actors.map(({ className }) => className))]
  await build({
    stdin: { contents: wrapper(inner, actors), resolveDir: import.meta.dirname },
    outfile: worker,
    bundle: true,
    format: 'esm',
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'warning',
  })
}

const wrapper = (inner: string, actors: readonly string[]): string => `
  import * as parley from ${JSON.stringify(inner)}
  import { metered, withBill } from './meter.js'
  export * from ${JSON.stringify(inner)}
  ${actors.map((name) => `export const ${name} = metered('${name}', parley.${name})`).join('\n')}
  export default withBill(parley.default)
`

await runSystem(
  'serve',
  async (run) => {
    await meter(run)
    // Its tasks are run by the bench, so that none falls into a measurement.
    Object.assign(run.config, { crons: [] })
    return startWorkerd(run)
  },
  ({ port }) => `metered parley ready at http://localhost:${port}`,
)
