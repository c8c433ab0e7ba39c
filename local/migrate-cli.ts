import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { asLocalError, findOperator } from './find-operator.ts'
import { inspectFleet, migrateFleet, readFleet, type FleetDatabase } from './fleet.ts'
import { endWith, LocalError, oneLine } from './local-error.ts'
import { migrate } from './migrate.ts'
import { asksForHelp, helpWith } from './usage.ts'

// `npm run migrate -- shard postgres://owner:…@host/database`: brings one database up to date; `fleet <file>` many.

const usage = [
  'npm run migrate -- <directory|shard> <connection string of the owner>',
  '    brings one database up to date',
  'npm run migrate -- fleet <file, or - for standard input>',
  '    brings all databases of a file up to date; its lines are <name> <connection string of the owner>',
  '',
  '  --canary a,b           databases to migrate first; the others follow when these succeeded (the first line)',
  '  --parallel <n>         databases at one time after that (4)',
  '  --lock-timeout <s>     seconds a step waits for a lock (3)',
  '  --attempts <n>         times a step is tried that a lock or a lost connection stopped (5)',
  '  --dry-run              prints the steps that each database lacks, and changes nothing',
  '  --drift                prints how each database differs from migrations/schema.sql, and changes nothing',
  '  --check https://…      refuses a file that lacks a registered shard of the system there (ADMIN_KEY)',
].join('\n')

const text = { type: 'string' } as const
const options = {
  canary: text,
  parallel: text,
  'lock-timeout': text,
  attempts: text,
  'dry-run': { type: 'boolean' },
  drift: { type: 'boolean' },
  check: text,
} as const

try {
  if (asksForHelp(process.argv.slice(2))) helpWith(usage)
  const { positionals, values } = readArguments()
  const [lineage, where] = positionals
  if (lineage === 'fleet' && where !== undefined) await runFleet(where, values)
  else if ((lineage === 'directory' || lineage === 'shard') && where !== undefined) {
    const ran = await migrate(where, lineage)
    console.log(ran.length === 0 ? 'already up to date' : `ran ${ran.join(', ')}`)
  } else
    throw new LocalError(
      'give which steps and where: npm run migrate -- <directory|shard> <connection string of the owner>, or fleet <file>.',
    )
} catch (thrown) {
  endWith(asLocalError(thrown))
}

function readArguments() {
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch {
    throw new LocalError(`this is not how it is used:\n\n${usage}`)
  }
}

async function runFleet(file: string, values: ReturnType<typeof readArguments>['values']): Promise<void> {
  const databases = readFleet(file === '-' ? await standardInput() : await textOf(file))
  if (values.check !== undefined) await requireAll(databases, values.check)
  const parallel = wholeNumber('--parallel', values.parallel, 4, 64)
  if (values['dry-run'] === true || values.drift === true) {
    const { lines, isClean } = await inspectFleet(databases, values.drift === true ? 'drift' : 'steps', parallel)
    for (const line of lines) console.log(line)
    process.exitCode = isClean ? 0 : 1
    return
  }
  const results = await migrateFleet(databases, {
    canaries: values.canary?.split(',') ?? [],
    parallel,
    each: {
      lockTimeoutMs: 1000 * wholeNumber('--lock-timeout', values['lock-timeout'], 3, 600),
      attempts: wholeNumber('--attempts', values.attempts, 5, 100),
    },
    report: ({ done, of, text: line }) => console.log(`[${done}/${of}] ${line}`),
  })
  const bad = results.filter((result) => result.kind !== 'migrated' || result.drift.length > 0)
  console.log(
    bad.length === 0
      ? `${results.length} databases are up to date`
      : `${bad.length} of ${results.length} are not as they should be`,
  )
  process.exitCode = bad.length === 0 ? 0 : 1
}

/** A shard that the file lacks would stay behind, and be refused by a newer Worker. */
async function requireAll(databases: readonly FleetDatabase[], url: string): Promise<void> {
  const { shards } = await (await findOperator(url)).shards()
  const missing = shards.map(({ name }) => name).filter((name) => !databases.some((database) => database.name === name))
  if (missing.length > 0) throw new LocalError(`the file lacks ${missing.join(', ')}, registered at ${url}.`)
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (thrown) {
    throw new LocalError(`${file} cannot be read: ${oneLine(thrown)}`)
  }
}

async function standardInput(): Promise<string> {
  let all = ''
  for await (const part of process.stdin) all += String(part)
  return all
}

function wholeNumber(name: string, given: string | undefined, usual: number, max: number): number {
  const value = given === undefined ? usual : Number(given)
  if (Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new LocalError(`${name} is "${given}"; it must be a whole number from 1 to ${max}.`)
}
