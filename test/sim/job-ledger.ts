import { toPhase, stateOf, hasEnded, type JobState } from '../../src/jobs/model/phase.ts'
import type { Host } from './host.ts'
import { tenant } from './neighbours.ts'
import type { Platform } from './platform.ts'

export const queueName = `${tenant}/mail`

type Value = string | number | null

/** A job as it stands on the ledger's disk. */
export interface Row extends Record<string, Value> {
  readonly seq: number
  readonly id: string
  readonly phase: number
  readonly run: number
  readonly key: string | null
  readonly attempts: number
  readonly made_at: number
  readonly since: number
}

/** Places of the keys of a story: some let one job through at a time, some two. */
const widths: Readonly<Record<string, number>> = { 'key-0': 1, 'key-1': 2, 'key-2': 1 }
export const keys = Object.keys(widths)

/** What really stands in the books of a queue. */
export class JobLedger {
  readonly #world: Platform

  constructor(world: Platform) {
    this.#world = world
  }

  row(id: string): Row | undefined {
    return this.#rows('WHERE id = ?', id)[0]
  }

  rows(): Row[] {
    return this.#rows('ORDER BY seq')
  }

  state(id: string): JobState | undefined {
    const row = this.row(id)
    return row === undefined ? undefined : stateOf(toPhase(row.phase))
  }

  widthOf(key: string): number {
    return widths[key] ?? 1
  }

  placesTaken(key: string): number {
    return this.#rows('WHERE key = ? AND phase <= 2', key).length
  }

  isLeased(id: string, run: number): boolean {
    const row = this.row(id)
    return row !== undefined && row.phase === 1 && row.run === run
  }

  /** Jobs that are not over and refuse all others of their name. */
  livesOf(name: string): number {
    return this.#rows(`WHERE phase < 6 AND options LIKE '%"unique":{"name":"' || ? || '"%'`, name).length
  }

  /** Jobs that are not over. */
  open(): Row[] {
    return this.#rows('WHERE phase < 6')
  }

  /** Jobs that ended, and ended again without having been sent again; what changes beside their end does not count. */
  endedTwice(): number[] {
    const ends = new Map<number, string>()
    return this.#host.disk.written.flatMap((one) => {
      if (one.kind !== 'sql' || !one.query.startsWith('UPDATE jobs SET payload')) return []
      const [phase, seq] = [toPhase(Number(one.bindings[1])), Number(one.bindings.at(-1))]
      const end = `${phase} until ${one.bindings[2]}`
      const again = hasEnded(phase) && (ends.get(seq) ?? end) !== end
      if (hasEnded(phase)) ends.set(seq, end)
      else ends.delete(seq)
      return again ? [seq] : []
    })
  }

  /** Places of jobs that had ended and were sent again. */
  sentAgain(): ReadonlySet<number> {
    const ended = new Set<number>()
    const again = new Set<number>()
    for (const one of this.#host.disk.written) {
      if (one.kind !== 'sql' || !one.query.startsWith('UPDATE jobs SET payload')) continue
      const [phase, seq] = [toPhase(Number(one.bindings[1])), Number(one.bindings.at(-1))]
      if (hasEnded(phase)) ended.add(seq)
      else if (ended.has(seq)) again.add(seq)
    }
    return again
  }

  get #host(): Host {
    return this.#world.host('JobQueue', queueName)
  }

  #rows(where: string, ...bindings: Value[]): Row[] {
    // A queue that was never reached has no tables.
    this.#host.wake()
    const columns = 'seq, id, phase, run, key, attempts, made_at, since'
    return this.#host.disk.exec<Row>(`SELECT ${columns} FROM jobs ${where}`, ...bindings).toArray()
  }
}
