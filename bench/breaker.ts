/** `npm run bench:breaker`: how soon eight isolates leave a service alone that is down, beside cockatiel in each isolate. */
import { createServer } from 'node:http'
import { z } from 'zod'
import { commandLine, flagsOf, rounds } from './command-line.ts'
import { startIsolates, type Calls, type Ends, type Isolates } from './breaker/isolates.ts'
import { withFolder } from './media.ts'
import { pause, Processes } from './processes.ts'
import { inRounds, linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'

const count = 8
const everyMs = 20
/** How long the service answers, is down, and answers again; or swallows calls instead. */
const times = { wellMs: 3000, downMs: 20_000, againMs: 12_000, swallowsMs: 10_000 }
type State = 'well' | 'down' | 'swallows'

const options = commandLine(flagsOf(z.object({ rounds, out: z.string().optional() })))

const names = { parley: 'Parley', cockatiel: 'cockatiel' } as const
const sides: Readonly<Record<string, string>> = {
  [names.parley]: 'a view in each isolate and the opinion of all in an actor; deadline 5 s',
  [names.cockatiel]: 'a breaker in each isolate: open after five failures in a row, a probe after 2 s; timeout 5 s',
}
const figures: Readonly<Record<string, Shown>> = {
  'down until refused in all isolates, ms': { better: 'lower', digits: 0, drawn: true },
  'calls that it got until then': { better: 'lower', digits: 0 },
  'calls a second that it got while down, afterwards': { better: 'lower', digits: 2, drawn: true },
  'calls that reached it at the same moment, at most': { better: 'lower', digits: 0 },
  'back until called by all isolates, ms': { better: 'lower', digits: 0 },
  'swallows calls until refused in all isolates, ms': { better: 'lower', digits: 0, drawn: true },
}

/** A service that can be down, with the times of the calls that reached it. */
async function startService() {
  const reached: number[] = []
  let state: State = 'well'
  const server = createServer((_, response) => {
    reached.push(Date.now())
    if (state !== 'swallows') response.writeHead(state === 'down' ? 503 : 200).end()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/`,
    reached,
    set: (to: State) => {
      state = to
      return Date.now()
    },
    stop: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function measure(isolates: Isolates, side: Calls['side'], name: string): Promise<Found> {
  const service = await startService()
  try {
    const ms = times.wellMs + times.downMs + times.againMs
    const running = isolates.run({ side, name, url: service.url, ms, everyMs })
    await pause(times.wellMs)
    const downAt = service.set('down')
    await pause(times.downMs)
    const backAt = service.set('well')
    return found(await running, service.reached, downAt, backAt)
  } finally {
    service.stop()
  }
}

async function measureSilence(isolates: Isolates, side: Calls['side'], name: string): Promise<Found> {
  const service = await startService()
  try {
    const running = isolates.run({ side, name, url: service.url, ms: times.wellMs + times.swallowsMs, everyMs })
    await pause(times.wellMs)
    const silentAt = service.set('swallows')
    await pause(times.swallowsMs)
    service.stop()
    const openAt = Math.max(...(await running).map((ends) => firstRefused(ends, silentAt)))
    return { 'swallows calls until refused in all isolates, ms': openAt - silentAt }
  } finally {
    service.stop()
  }
}

/** From when on an isolate only refused, but for probes. */
const firstRefused = (ends: Ends, downAt: number) =>
  ends.find(([at, end]) => end === 'refused' && at >= downAt)?.[0] ?? Infinity
const firstOk = (ends: Ends, backAt: number) => ends.find(([at, end]) => end === 'ok' && at >= backAt)?.[0] ?? Infinity

function found(all: readonly Ends[], reached: readonly number[], downAt: number, backAt: number): Found {
  const openAt = Math.max(...all.map((ends) => firstRefused(ends, downAt)))
  const whileDown = reached.filter((at) => at > openAt && at < backAt)
  const together = whileDown.map((at) => whileDown.filter((other) => other >= at && other < at + 100).length)
  return {
    'down until refused in all isolates, ms': openAt - downAt,
    'calls that it got until then': reached.filter((at) => at >= downAt && at <= openAt).length,
    'calls a second that it got while down, afterwards': (1000 * whileDown.length) / (backAt - openAt),
    'calls that reached it at the same moment, at most': Math.max(0, ...together),
    'back until called by all isolates, ms': Math.max(...all.map((ends) => firstOk(ends, backAt))) - backAt,
  }
}

const processes = new Processes()
processes.endWithUs()
await withFolder('tmpfs', async (folder) => {
  const isolates = await startIsolates(processes, folder, count)
  const all = new Map<string, Found[]>()
  const others: number[] = []
  for (let round = 1; round <= options.rounds; round++) {
    others.push(await busyCores())
    const sides = ['parley', 'cockatiel'] as const
    for (const side of round % 2 === 1 ? sides : sides.toReversed())
      all.set(names[side], [
        ...(all.get(names[side]) ?? []),
        {
          ...(await measure(isolates, side, `${side}-${round}`)),
          ...(await measureSilence(isolates, side, `${side}-silent-${round}`)),
        },
      ])
    console.error(`round ${round} of ${options.rounds} done`)
  }
  const comparison: Comparison = {
    suite: 'breaker',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `${count} isolates of one workerd, each calls every ${everyMs} ms; down for ${times.downMs / 1000} s; ${inRounds(options.rounds)}`,
    othersCores: Math.max(...others),
    sides,
    yardstick: names.cockatiel,
    lines: linesOf(figures, all),
    notes: ['cockatiel has no opinion of all: its isolates open and probe each by itself'],
    failures: [],
  }
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save('breaker', options.out, { comparison })}`)
  await processes.stopAll()
})
