import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Api } from './api.ts'
import type { Collector } from './collector.ts'
import type { Population } from './population.ts'
import type { Figures } from './figures.ts'
import { vitals, type PartName, type Vitals } from './vitals.ts'

/** Everything seen at one moment of the soak. */
export interface Sample {
  readonly minute: number
  readonly parts: Readonly<Record<PartName, Vitals>>
  /** KiB that workerd and the launcher still hold when they have just collected their garbage; NaN when they were not asked. */
  readonly collected: { readonly workerdKiB: number; readonly launcherKiB: number }
  /** Connections that people have open, and sockets that gateways say they hold: close to each other, and equal at rest. */
  readonly open: number
  readonly held: number
  /** Streams that gateways know. */
  readonly channels: number
  /** Rows that still wait for Postgres. */
  readonly rowsWaiting: number
  readonly messages: number
  readonly actorFiles: number
  readonly actorKiB: number
  readonly postgresKiB: number
}

/** What is looked at. */
export interface Scenery {
  readonly api: Api
  readonly population: Population
  readonly figures: Figures
  /** Where the system keeps everything. */
  readonly dataDir: string
  readonly begun: number
  readonly collectors: readonly Collector[]
}

/** Takes a sample. */
export async function takeSample({ api, population, figures, dataDir, begun, collectors }: Scenery): Promise<Sample> {
  const minute = (performance.now() - begun) / 60_000
  const [parts, metric, actors, postgres] = await Promise.all([
    vitals(),
    api.metrics(),
    filesIn(join(dataDir, 'actors')),
    filesIn(join(dataDir, 'postgres')),
  ])
  return {
    minute,
    parts,
    collected: await collected(collectors),
    open: population.open,
    held: metric?.('parley_gateway_sockets') ?? Number.NaN,
    channels: metric?.('parley_gateway_channels') ?? Number.NaN,
    rowsWaiting: metric?.('parley_shard_writer_waiting') ?? Number.NaN,
    messages: figures.of('messages') + figures.of('messages for later'),
    actorFiles: actors.count,
    actorKiB: actors.kib,
    postgresKiB: postgres.kib,
  }
}

/** Measured after everything else, so that it shows the system undisturbed: KiB left. */
export async function collected(collectors: readonly Collector[]): Promise<Sample['collected']> {
  const asked = await Promise.all(collectors.map((each) => each.collect()))
  if (asked.length === 0 || !asked.every(Boolean)) return { workerdKiB: Number.NaN, launcherKiB: Number.NaN }
  const { workerd, launcher } = await vitals()
  return { workerdKiB: workerd.memoryKiB, launcherKiB: launcher.memoryKiB }
}

/** A file that goes while we look is not counted. */
async function filesIn(folder: string): Promise<{ readonly count: number; readonly kib: number }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  let [count, bytes] = [0, 0]
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const size = await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => undefined,
    )
    if (size === undefined) continue
    count += 1
    bytes += size
  }
  return { count, kib: bytes / 1024 }
}
