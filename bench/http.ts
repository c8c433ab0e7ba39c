/**
 * `npm run bench:http -- --before <checkout>`: requests per second and CPU time per request of three operations, on plain
 * workerd and tmpfs; with `--before`, side by side with another checkout that has its node_modules.
 */
import { resolve } from 'node:path'
import { z } from 'zod'
import { commandLine, flagsOf, rounds, seconds } from './command-line.ts'
import { loadFor } from './http/lane.ts'
import { prepare, startSide } from './http/side.ts'
import { withFolder } from './media.ts'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

const options = commandLine(flagsOf(z.object({ rounds, seconds, before: z.string().optional() })))
const ms = options.seconds * 1000
const lanes = 16

const here = join(import.meta.dirname, '..')
const checkouts = [
  ...(options.before === undefined ? [] : [{ name: 'before', checkout: resolve(options.before) }]),
  { name: 'here', checkout: here },
]

await withFolder('tmpfs', async (folder) => {
  const sides = []
  for (const { name, checkout } of checkouts) {
    const dataDir = join(folder, name)
    await mkdir(dataDir)
    const side = await startSide(checkout, dataDir)
    sides.push({ name, side, loads: await prepare(side) })
  }
  const found = new Map<string, { perSecond: number; cpuMs: number }[]>()
  for (let round = 0; round <= options.rounds; round++)
    for (const place of [0, 1, 2])
      for (const { name, side, loads } of sides) {
        const load = loads[place]
        if (load === undefined) continue
        const cpu = await side.cpuMs()
        const count = await loadFor(side.origin, load, lanes, ms)
        const figure = { perSecond: (count * 1000) / ms, cpuMs: ((await side.cpuMs()) - cpu) / count }
        // The first round warms up.
        if (round > 0) found.set(`${load.name}\t${name}`, [...(found.get(`${load.name}\t${name}`) ?? []), figure])
      }
  for (const [row, figures] of found) {
    const median = (of: (figure: (typeof figures)[number]) => number) =>
      figures.map(of).toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0
    const perSecond = median((figure) => figure.perSecond).toFixed(0)
    const cpuMs = median((figure) => figure.cpuMs).toFixed(3)
    process.stdout.write(`${row}\t${perSecond} requests/s\t${cpuMs} ms of CPU per request\n`)
  }
  for (const { side } of sides) await side.stop()
})
