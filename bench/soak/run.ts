import { pause } from '../processes.ts'
import type { Reach } from '../targets/target.ts'
import { Api } from './api.ts'
import { Chance } from './chance.ts'
import type { Collector } from './collector.ts'
import { Population, peopleFor } from './population.ts'
import { Figures } from './figures.ts'
import { Findings } from './findings.ts'
import type { SoakOptions } from './options.ts'
import type { World } from './person.ts'
import { takeSample, type Sample, type Scenery } from './sample.ts'
import { awake, kept, sleep, type Sleep } from './sleepers.ts'
import { Town } from './town.ts'

/** What a soak gave. */
export interface Soaked {
  readonly samples: readonly Sample[]
  /** How often everything was done. */
  readonly figures: Readonly<Record<string, number>>
  readonly errors: Readonly<Record<string, number>>
  readonly findings: Findings
  /** Times without connections: before all came, and after all had gone. */
  readonly asleep: readonly Sleep[]
}

/** What a soak needs. */
export interface SoakPlan {
  readonly options: SoakOptions
  readonly reach: Reach
  readonly dataDir: string
  /** For those of our processes that collect garbage. */
  readonly collectors: readonly Collector[]
  readonly signal: AbortSignal
  /** Told once a minute, so that an hour is not lost to what ends it early. */
  readonly onMinute: (soFar: Soaked) => Promise<unknown>
}

/** Milliseconds until all due messages must have come, when all is at rest. */
const timeoutMs = 90_000
const haste = 15_000
/** With so much wrong the rest says nothing new. */
const enough = 1000

/** Lets a town live for as long as the options say, looks at it all the while, and in the end at rest. */
export async function soak({ options, reach, dataDir, collectors, signal, onMinute }: SoakPlan): Promise<Soaked> {
  const findings = new Findings()
  const figures = new Figures()
  const world: World = { url: new URL(reach.url), api: new Api(reach, figures, findings), figures, findings }
  const chance = new Chance(options.seed)
  const town = new Town(world, chance, peopleFor(options.connections))
  await town.settle()
  console.log(
    `${town.people.length} people, ${town.conversations.length} conversations, for ${options.minutes} minutes`,
  )

  const asleep = [await sleep(world.url, collectors)]
  const population = new Population(town, world, chance, options.rate)
  const scenery = { api: world.api, population, figures, dataDir, collectors, begun: performance.now() }
  const samples: Sample[] = []
  const soFar = (): Soaked => ({
    samples,
    figures: Object.fromEntries(figures.counts),
    errors: Object.fromEntries(figures.errors),
    findings,
    asleep,
  })

  const over = new AbortController()
  const end = AbortSignal.any([signal, over.signal])
  const watching = watch(scenery, samples, options.every * 1000, end, async () => {
    tell(samples, figures, findings)
    await onMinute(soFar())
    if (findings.count > enough) over.abort()
  })
  await population.live(scenery.begun + options.minutes * 60_000, end)
  over.abort()
  await watching
  tell(samples, figures, findings)
  console.log('all users come back')
  await rest(scenery, world, signal.aborted ? haste : timeoutMs)
  if (!signal.aborted) {
    const last = await sleep(world.url, collectors)
    for (const first of asleep) {
      findings.note('awake', awake(first, last))
      findings.note('kept', kept(first, last))
    }
    asleep.push(last)
  }
  return soFar()
}

/** Takes a sample each `everyMs`, and says so once a minute. */
async function watch(
  scenery: Scenery,
  samples: Sample[],
  everyMs: number,
  end: AbortSignal,
  onMinute: () => Promise<void>,
): Promise<void> {
  let minute = 1
  for (let next = scenery.begun + everyMs; !end.aborted; next += everyMs) {
    while (performance.now() < next && !end.aborted) await pause(Math.min(200, Math.max(next - performance.now(), 1)))
    if (end.aborted) return
    samples.push(await takeSample(scenery))
    if (performance.now() - scenery.begun < minute * 60_000) continue
    minute += 1
    await onMinute()
  }
}

/** One line: where everything stands. */
function tell(samples: readonly Sample[], figures: Figures, findings: Findings): void {
  const now = samples.at(-1)
  if (now === undefined) return
  const before = samples.findLast(({ minute }) => minute < now.minute - 0.9) ?? samples[0] ?? now
  const { workerd, launcher, postgres, load } = now.parts
  const seconds = (now.minute - before.minute) * 60
  const cores = (part: 'workerd' | 'load') => (now.parts[part].cpuSeconds - before.parts[part].cpuSeconds) / seconds
  const { medianMs, p99Ms } = figures.takeLatencies()
  console.log(
    `${now.minute.toFixed(0)} min: workerd ${mib(workerd.memoryKiB)} MiB (${mib(now.collected.workerdKiB)} collected), ${workerd.descriptors} fds, ` +
      `${cores('workerd').toFixed(2)} cores; launcher ${mib(launcher.memoryKiB)} MiB (${mib(now.collected.launcherKiB)}), ${launcher.descriptors} fds; ` +
      `postgres ${mib(postgres.memoryKiB)} MiB, ${postgres.descriptors} fds; load ${mib(load.memoryKiB)} MiB, ` +
      `${cores('load').toFixed(2)} cores; ${now.held}/${now.open} sockets; ` +
      `${Math.round((now.messages - before.messages) / seconds)} messages/s (${medianMs.toFixed(1)} ms, ` +
      `p99 ${p99Ms.toFixed(0)}), ${now.messages} in all; actors ${mib(now.actorKiB)} MiB in ${now.actorFiles} files; ` +
      `${findings.count} wrong`,
  )
}

const mib = (kib: number) => Math.round(kib / 1024)

/**
 * The quiet end: all users come back and receive everything, and the gateways hold exactly the sockets that are open.
 */
async function rest({ api, population }: Scenery, { findings }: World, timeoutMs: number): Promise<void> {
  for (const what of await population.gather(timeoutMs)) findings.note('missing', what)
  findings.note('sockets', await disagreement(api, population, timeoutMs))
  population.disperse()
  findings.note('sockets', await disagreement(api, population, timeoutMs))
}

async function disagreement(api: Api, population: Population, timeoutMs: number): Promise<string | undefined> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const held = (await api.metrics())?.('parley_gateway_sockets')
    if (held === population.open) return undefined
    if (performance.now() > deadline) return `gateways hold ${held} sockets, ${population.open} are open`
    await pause(500)
  }
}
