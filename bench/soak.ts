/** `npm run soak`: a steady load of everything a running system sees, for an hour, and whether anything grows under it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { commandLine } from './command-line.ts'
import { fileSystem, withFolder } from './media.ts'
import { freePort } from './ports.ts'
import { Processes } from './processes.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { Collector } from './soak/collector.ts'
import { help, readSoakOptions, type SoakOptions } from './soak/options.ts'
import { judgeAll, messagesPerMinute, table, verdictOf } from './soak/report.ts'
import { soak, type Soaked } from './soak/run.ts'
import type { Verdict } from './soak/verdict.ts'
import { parley } from './targets/parley.ts'

const sentences: Readonly<Record<Verdict, string>> = {
  steady: 'no leak: no floor kept growing beyond what is allowed',
  leak: 'leak: a floor keeps growing beyond what is allowed',
  tooShort: 'too short to say whether anything leaks',
}

async function main(options: SoakOptions): Promise<number> {
  const processes = new Processes()
  const signal = processes.abortOnSignal()
  const othersCores = await busyCores()
  const { cpu, cores, node } = thisMachine()
  console.log(
    `${cpu}, ${cores} cores, Node ${node}, on ${options.medium}; others kept ${othersCores.toFixed(2)} cores busy; ` +
      `seed ${options.seed}`,
  )
  const save = (soaked: Soaked) => write(options, othersCores, soaked)
  const soaked = await withFolder(options.medium, async (folder) => {
    const collectors = await openInspectors()
    const running = await parley.start(folder, processes)
    try {
      const reach = { url: running.url, apiKey: 'demo-key', offerDeflate: false }
      return await soak({ options, reach, dataDir: join(folder, 'parley'), collectors, signal, onMinute: save })
    } finally {
      await processes.stopAll()
    }
  })
  return report(soaked, await save(soaked), signal.aborted)
}

/** Has workerd and the launcher, which are started next, listen for a debugger. */
async function openInspectors(): Promise<Collector[]> {
  const [workerd, launcher] = [await freePort(), await freePort()]
  process.env['INSPECTOR_PORT'] = String(workerd)
  process.env['NODE_OPTIONS'] = `--inspect=127.0.0.1:${launcher}`
  return [new Collector(workerd), new Collector(launcher)]
}

function report({ samples, findings, figures, errors, asleep }: Soaked, file: string, interrupted: boolean): number {
  const judged = judgeAll(samples, asleep)
  const verdict = verdictOf(judged)
  console.table(table(judged, messagesPerMinute(samples)))
  console.table(figures)
  for (const [n, { descriptors, memoryKiB, liveKiB }] of asleep.entries())
    console.log(
      `${n === 0 ? 'before any client connected' : 'when all had gone and slept'}: workerd ${descriptors} descriptors, ` +
        `${Math.round(memoryKiB / 1024)} MiB collected, ${Number.isNaN(liveKiB) ? 'no gdb to say how much of it is live' : `${Math.round(liveKiB / 1024)} MiB live`}`,
    )
  console.log(Object.keys(errors).length === 0 ? 'no errors' : `errors by code: ${JSON.stringify(errors)}`)
  for (const sentence of findings.sentences) console.log(`wrong: ${sentence}`)
  for (const { figure, floorPerHour, allowedPerHour } of judged.filter(
    ({ verdict, isOnlyShown }) => verdict === 'leak' && !isOnlyShown,
  ))
    console.log(
      `leak: ${figure}: the floor rises by ${Math.round(floorPerHour)} an hour, ${Math.round(allowedPerHour)} are allowed`,
    )
  const wrong = findings.count === 0 ? 'every promise was kept' : `broken: ${JSON.stringify(findings.byKind)}`
  console.log(`${interrupted ? 'interrupted; ' : ''}${sentences[verdict]}; ${wrong}\nwritten to ${file}`)
  if (findings.count > 0 || verdict === 'leak') return 1
  return interrupted ? 130 : 0
}

const date = new Date().toISOString().replaceAll(':', '-')

async function write(options: SoakOptions, othersCores: number, soaked: Soaked): Promise<string> {
  const file = options.out ?? join('bench', 'results', `soak-${date}.json`)
  const { findings, ...rest } = soaked
  const judged = judgeAll(soaked.samples, soaked.asleep)
  const record = {
    date,
    machine: thisMachine(),
    fileSystem: await fileSystem(options.medium),
    othersCores,
    options,
    verdict: verdictOf(judged),
    judged,
    broken: findings.byKind,
    sentences: findings.sentences,
    ...rest,
  }
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, `${JSON.stringify(record, null, 1)}\n`)
  return file
}

const options = commandLine(readSoakOptions)
if (options === undefined) console.log(help)
else process.exit(await main(options))
