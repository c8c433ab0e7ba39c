/** `npm run bench:chat`: Parley beside a bare Durable Object and beside the stack a team would glue together. */
import { runRounds } from './bench.ts'
import { commandLine } from './command-line.ts'
import { fileSystem, missingMedium, type MediumName } from './media.ts'
import { help, readOptions, type Options } from './options.ts'
import { Processes } from './processes.ts'
import { chatComparison } from './report/chat.ts'
import { thisMachine } from './report/machine.ts'
import { failures, type BenchRecord } from './report/record.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { bare } from './targets/bare.ts'
import { glued } from './targets/glued.ts'
import { parley, runningParley } from './targets/parley.ts'
import type { Target } from './targets/target.ts'

const options = commandLine(readOptions)
if (options === undefined) console.log(help)
else process.exitCode = await main(options)

async function main(options: Options): Promise<number> {
  const record = emptyRecord(options)
  const media = await usableMedia(options, record)
  const targets = await usableTargets(options, record)
  const processes = new Processes()
  const interrupted = processes.abortOnSignal()
  try {
    await runRounds({ options, targets, media, processes, signal: interrupted, record })
  } catch (error) {
    if (!interrupted.aborted) throw error
    record.skipped.push('the rest: interrupted')
  } finally {
    await processes.stopAll()
  }
  const comparison = chatComparison(record)
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save('chat', options.out, { comparison, ...record })}`)
  if (interrupted.aborted) return 130
  return failures(record).length === 0 && record.runs.length > 0 ? 0 : 1
}

function emptyRecord({ rounds, seconds, warmup, deflate }: Options): BenchRecord {
  return {
    date: new Date().toISOString(),
    machine: thisMachine(),
    settings: { rounds, seconds, warmUpSeconds: warmup, deflateOffered: deflate },
    fileSystems: {},
    targets: {},
    skipped: [],
    runs: [],
  }
}

async function usableMedia({ medium, url }: Options, record: BenchRecord): Promise<MediumName[]> {
  const usable: MediumName[] = []
  for (const each of url === undefined ? medium : medium.slice(0, 1)) {
    const missing = await missingMedium(each)
    if (missing === undefined) usable.push(each)
    else record.skipped.push(`${each}: ${missing}`)
  }
  for (const each of usable) record.fileSystems[each] = await fileSystem(each)
  return usable
}

async function usableTargets({ target, url }: Options, record: BenchRecord): Promise<Target[]> {
  const all = [url === undefined ? parley : runningParley(url), bare, glued]
  const usable: Target[] = []
  for (const each of all.filter(({ name }) => target.includes(name))) {
    const missing = await each.missing()
    if (missing === undefined) usable.push(each)
    else record.skipped.push(`${each.name}: ${missing}`)
  }
  return usable
}
