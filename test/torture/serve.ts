import { rename } from 'node:fs/promises'
import { build } from 'esbuild'
import { runSystem } from '../../local/system.ts'
import { startWorkerd, type WorkerRun } from '../../local/workerd.ts'

// `npm run serve` with actors that can be made to fail: see actor-faults.js.

const wrapper = (inner: string): string => `
  import * as parley from ${JSON.stringify(inner)}
  import { faultyActivity, faultyGateway, withSwitch } from './actor-faults.js'
  export * from ${JSON.stringify(inner)}
  export const Activity = faultyActivity(parley.Activity)
  export const Gateway = faultyGateway(parley.Gateway)
  export default withSwitch(parley.default)
`

/** Puts the faults around a Worker that is already built. */
async function makeFaulty({ worker }: WorkerRun): Promise<void> {
  const inner = `${worker}.inner.js`
  await rename(worker, inner)
  await build({
    stdin: { contents: wrapper(inner), resolveDir: import.meta.dirname },
    outfile: worker,
    bundle: true,
    format: 'esm',
    external: ['cloudflare:*', 'node:*'],
    logLevel: 'warning',
  })
}

await runSystem(
  'serve',
  async (run) => {
    await makeFaulty(run)
    return startWorkerd(run)
  },
  ({ port }) => `parley ready at http://localhost:${port}, with actors that can fail`,
)
