import { driftOf, dueSteps, migrate, type Lineage, type MigrateOptions } from './migrate.ts'
import { LocalError, oneLine } from './local-error.ts'

/** A database of the fleet and the connection string of its owner. */
export interface FleetDatabase {
  readonly name: string
  readonly url: string
  readonly lineage: Lineage
}

/** What became of a database. `untouched`: a database of an earlier ring failed. */
export type FleetResult = { readonly name: string } & (
  | { readonly kind: 'migrated'; readonly ran: readonly number[]; readonly drift: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'untouched' }
)

/** How far a run has come. */
export interface FleetProgress {
  readonly done: number
  readonly of: number
  readonly text: string
}

export interface FleetOptions {
  /** How each database is migrated. */
  readonly each?: Partial<Omit<MigrateOptions, 'repeats' | 'stepBegins'>>
  /** Databases that are migrated first; the others follow when all of these succeeded. */
  readonly canaries: readonly string[]
  /** Databases of the second ring that are migrated at one time. */
  readonly parallel: number
  /** What migrations/schema.sql has; another text in tests. */
  readonly snapshot?: string
  readonly report?: (progress: FleetProgress) => void
  readonly stepBegins?: (database: string, step: number) => unknown
}

/**
 * Reads lines of `<name> <connection string>`; the name `directory` is the tenant directory, all others are shards. Throws
 * {@link LocalError} that names the line, and shows no connection string.
 */
export function readFleet(text: string): FleetDatabase[] {
  const databases: FleetDatabase[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(?:#.*)?$/.test(line)) continue
    const [name = '', url = '', ...rest] = line.trim().split(/\s+/)
    if (!/^\w+$/.test(name) || !/^postgres(?:ql)?:\/\//.test(url) || !URL.canParse(url) || rest.length > 0)
      throw new LocalError(`line ${index + 1}: write <name> <connection string of the owner, postgresql://…>.`)
    if (databases.some((other) => other.name === name))
      throw new LocalError(`line ${index + 1}: ${name} is there twice.`)
    databases.push({ name, url, lineage: name === 'directory' ? 'directory' : 'shard' })
  }
  if (databases.length === 0) throw new LocalError('the file names no database.')
  return databases
}

/** The two rings: the canaries, or the first database where none are named, and the others. */
export function ringsOf(databases: readonly FleetDatabase[], canaries: readonly string[]): FleetDatabase[][] {
  const unknown = canaries.find((name) => !databases.some((database) => database.name === name))
  if (unknown !== undefined) throw new LocalError(`--canary ${unknown}: the file names no such database.`)
  const first = canaries.length > 0 ? canaries : databases.slice(0, 1).map(({ name }) => name)
  const isFirst = ({ name }: FleetDatabase) => first.includes(name)
  return [databases.filter(isFirst), databases.filter((database) => !isFirst(database))]
}

/**
 * Migrates a fleet ring by ring. A failure in the first ring leaves the second untouched; within a ring it stops no other
 * database. May be repeated: what is done is not done again. Each database is compared with the snapshot afterwards.
 */
export async function migrateFleet(databases: readonly FleetDatabase[], options: FleetOptions): Promise<FleetResult[]> {
  const results = new Map<string, FleetResult>()
  const report = (text: string) => options.report?.({ done: results.size, of: databases.length, text })
  for (const [ring, members] of ringsOf(databases, options.canaries).entries()) {
    const isStopped = [...results.values()].some(({ kind }) => kind === 'failed')
    await inParallel(ring === 0 ? 1 : options.parallel, members, async (database) => {
      const result = isStopped
        ? ({ name: database.name, kind: 'untouched' } as const)
        : await migrateOne(database, options, report)
      results.set(database.name, result)
      report(textOf(result))
    })
  }
  return databases.flatMap(({ name }) => results.get(name) ?? [])
}

async function migrateOne(
  { name, url, lineage }: FleetDatabase,
  { each, snapshot, stepBegins }: FleetOptions,
  report: (text: string) => void,
): Promise<FleetResult> {
  try {
    const ran = await migrate(url, lineage, {
      ...each,
      repeats: (attempt, reason) => report(`${name}: attempt ${attempt} failed (${reason}), trying again`),
      stepBegins: (step) => stepBegins?.(name, step),
    })
    return { name, kind: 'migrated', ran, drift: await driftOf(url, lineage, snapshot) }
  } catch (thrown) {
    return { name, kind: 'failed', reason: oneLine(thrown) }
  }
}

/** What became of a database, in a line; its drift follows in lines of its own. */
export function textOf(result: FleetResult): string {
  const { name } = result
  if (result.kind === 'failed') return `${name}: FAILED: ${result.reason}`
  if (result.kind === 'untouched') return `${name}: untouched, since the ring before it failed`
  const ran = result.ran.length === 0 ? 'already up to date' : `ran ${result.ran.join(', ')}`
  return result.drift.length === 0
    ? `${name}: ${ran}`
    : `${name}: ${ran}, DIFFERS from schema.sql\n${result.drift.join('\n')}`
}

/** Looks at each database without changing it: the steps it lacks, or how it differs from the snapshot. */
export async function inspectFleet(
  databases: readonly FleetDatabase[],
  what: 'steps' | 'drift',
  parallel: number,
): Promise<{ readonly lines: readonly string[]; readonly isClean: boolean }> {
  const found = new Map<string, { readonly text: string; readonly isClean: boolean }>()
  await inParallel(parallel, databases, async ({ name, url, lineage }) => {
    try {
      const lines = what === 'steps' ? await dueSteps(url, lineage) : await driftOf(url, lineage)
      const text = what === 'steps' ? `would run ${lines.join(', ')}` : `differs from schema.sql\n${lines.join('\n')}`
      const none = what === 'steps' ? 'already up to date' : 'as in schema.sql'
      found.set(name, {
        text: lines.length === 0 ? none : text,
        isClean: what === 'steps' || lines.length === 0,
      })
    } catch (thrown) {
      found.set(name, { text: `FAILED: ${oneLine(thrown)}`, isClean: false })
    }
  })
  return {
    lines: databases.map(({ name }) => `${name}: ${found.get(name)?.text ?? ''}`),
    isClean: [...found.values()].every(({ isClean }) => isClean),
  }
}

/** `work` handles its own failures. */
async function inParallel<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]()
  const run = async () => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, run))
}
