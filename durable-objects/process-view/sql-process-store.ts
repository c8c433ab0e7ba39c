import { z } from 'zod'
import { internalEvents } from '../../src/events/internal-events.ts'
import type { NewEvent } from '../../src/events/log-event.ts'
import type { ProcessDefinition, ProcessSpec } from '../../src/processes/definition.ts'
import { noFigures, processFigures, type ProcessFigures } from '../../src/processes/figures.ts'
import { instanceStates, type InstanceState } from '../../src/processes/judge.ts'
import type { InstanceEntry, ProcessStore, StoredInstance, TopicPosition } from '../../src/processes/tracker.ts'
import { Settings } from '../shared/settings.ts'
import type { Sql } from '../shared/sql.ts'

type InstanceRow = {
  n: number
  correlation: string
  version: number
  state: string
  look_at: number
  entries: number
  marks: string
}

const storedMarks = z.record(z.string(), z.enum(['met', 'late', 'arrived']))
const storedState = z.enum(instanceStates)
const storedSpec: z.ZodType<ProcessSpec> = z.object({
  topics: z.array(z.string()),
  correlation: z.string().nullable(),
  events: z.array(
    z.object({ type: z.string(), correlation: z.string().nullable(), starts: z.boolean(), ends: z.boolean() }),
  ),
  expectations: z.array(
    z.object({
      name: z.string(),
      after: z.string(),
      expect: z.string(),
      withinSeconds: z.number(),
      count: z.number(),
    }),
  ),
  raiseTo: z.string(),
  keepSeconds: z.number(),
  idleSeconds: z.number(),
  watchers: z.array(z.string()),
})

/** The text of a spec, the same for the same spec. */
export const specText = (spec: ProcessSpec): string => JSON.stringify(storedSpec.parse(spec))

// What an actor wrote itself is read as it was written.
const readEntry = (text: string): InstanceEntry => JSON.parse(text)
const readEvent = (text: string): NewEvent => JSON.parse(internalEvents.readText('topic.event', text))

/** One version with the time of its registration. */
export interface StoredProcess {
  readonly definition: ProcessDefinition
  readonly createdAt: number
}

/** What a process keeps, in the actor's SQLite. */
export class SqlProcessStore implements ProcessStore {
  readonly #sql: Sql
  readonly #name: string
  readonly #settings: Settings
  #versions: readonly StoredProcess[]
  #instances: number
  readonly figures: ProcessFigures
  #savedFigures: string

  constructor(sql: Sql, name: string) {
    this.#sql = sql
    this.#name = name
    this.#settings = new Settings(sql, true)
    this.#versions = this.#readVersions()
    this.#instances = sql.exec<{ n: number }>('SELECT count(*) AS n FROM instances').one().n
    this.#savedFigures = this.#settings.get('figures') ?? JSON.stringify(noFigures())
    this.figures = processFigures.parse(JSON.parse(this.#savedFigures))
  }

  get epoch(): string {
    return this.#settings.get('epoch') ?? ''
  }

  set epoch(epoch: string) {
    this.#settings.set('epoch', epoch)
  }

  /** Versions in use, the newest first. */
  get versions(): readonly StoredProcess[] {
    return this.#versions
  }

  definitions(): readonly ProcessDefinition[] {
    return this.#versions.map(({ definition }) => definition)
  }

  addVersion(version: number, spec: ProcessSpec, now: number): void {
    this.#sql.exec(
      'INSERT INTO definitions (version, created_at, spec) VALUES (?, ?, ?)',
      version,
      now,
      JSON.stringify(spec),
    )
    this.#versions = this.#readVersions()
  }

  /** Forgets versions without instances, but for the newest; returns the topics that no version reads any more. */
  forgetUnused(): readonly string[] {
    const [newest] = this.#versions
    if (newest === undefined || this.#versions.length === 1) return []
    this.#sql.exec(
      'DELETE FROM definitions WHERE version <> ? AND version NOT IN (SELECT version FROM instances)',
      newest.definition.version,
    )
    this.#versions = this.#readVersions()
    const read = new Set(this.#versions.flatMap(({ definition }) => definition.topics))
    return this.topics()
      .map(({ name }) => name)
      .filter((name) => !read.has(name))
  }

  topics(): readonly TopicPosition[] {
    return this.#sql
      .exec<{
        name: string
        position: number
        read_up_to: number
        skipped: number
      }>('SELECT name, position, read_up_to, skipped FROM topics ORDER BY name')
      .toArray()
      .map(({ name, position, read_up_to, skipped }) => ({ name, position, readUpTo: read_up_to, skipped }))
  }

  putTopic({ name, position, readUpTo, skipped }: TopicPosition): void {
    this.#sql.exec(
      `INSERT INTO topics (name, position, read_up_to, skipped, is_registered) VALUES (?, ?, ?, ?, 0)
       ON CONFLICT (name) DO UPDATE SET position = excluded.position, read_up_to = excluded.read_up_to, skipped = excluded.skipped`,
      name,
      position,
      readUpTo,
      skipped,
    )
  }

  removeTopic(name: string): void {
    this.#sql.exec('DELETE FROM topics WHERE name = ?', name)
  }

  /** Topics that do not notify this process yet. */
  unregistered(): readonly string[] {
    return this.#sql
      .exec<{ name: string }>('SELECT name FROM topics WHERE is_registered = 0')
      .toArray()
      .map(({ name }) => name)
  }

  noteRegistered(name: string): void {
    this.#sql.exec('UPDATE topics SET is_registered = 1 WHERE name = ?', name)
  }

  instance(correlation: string): StoredInstance | undefined {
    return this.#one('SELECT * FROM instances WHERE correlation = ?', correlation)
  }

  numbered(n: number): StoredInstance | undefined {
    return this.#one('SELECT * FROM instances WHERE n = ?', n)
  }

  due(version: number, until: number, limit: number): readonly number[] {
    if (limit <= 0) return []
    return this.#sql
      .exec<{
        n: number
      }>('SELECT n FROM instances WHERE version = ? AND look_at <= ? ORDER BY look_at LIMIT ?', version, until, limit)
      .toArray()
      .map(({ n }) => n)
  }

  /** When the next instance of a version is to be judged; undefined when there is none. */
  nextLookAt(version: number): number | undefined {
    const sql = 'SELECT min(look_at) AS at FROM instances WHERE version = ?'
    return this.#sql.exec<{ at: number | null }>(sql, version).one().at ?? undefined
  }

  get instances(): number {
    return this.#instances
  }

  insert(correlation: string, version: number, lookAt: number): StoredInstance {
    const n = this.#settings.number('instances') + 1
    this.#settings.set('instances', n)
    this.#sql.exec(
      `INSERT INTO instances (n, correlation, version, state, look_at, entries, marks) VALUES (?, ?, ?, 'unstarted', ?, 0, '{}')`,
      n,
      correlation,
      version,
      lookAt,
    )
    this.#instances++
    return { n, correlation, version, state: 'unstarted', lookAt, entries: 0, marks: {} }
  }

  put({ n, state, lookAt, entries, marks }: StoredInstance): void {
    this.#sql.exec(
      'UPDATE instances SET state = ?, look_at = ?, entries = ?, marks = ? WHERE n = ?',
      state,
      Math.min(lookAt, Number.MAX_SAFE_INTEGER),
      entries,
      JSON.stringify(marks),
      n,
    )
  }

  remove(n: number): void {
    this.#sql.exec('DELETE FROM entries WHERE instance = ?', n)
    this.#sql.exec('DELETE FROM instances WHERE n = ?', n)
    this.#instances--
  }

  oldestEnded(): number | undefined {
    const sql = `SELECT min(n) AS n FROM instances WHERE state = ?`
    const oldest = (['complete', 'abandoned'] as const).flatMap((state) => {
      const { n } = this.#sql.exec<{ n: number | null }>(sql, state).one()
      return n === null ? [] : [n]
    })
    return oldest.length === 0 ? undefined : Math.min(...oldest)
  }

  /** A page of instances, the newest first, below number `before`. */
  page(state: InstanceState | undefined, before: number, limit: number): readonly StoredInstance[] {
    const rows =
      state === undefined
        ? this.#sql.exec<InstanceRow>('SELECT * FROM instances WHERE n < ? ORDER BY n DESC LIMIT ?', before, limit)
        : this.#sql.exec<InstanceRow>(
            'SELECT * FROM instances WHERE state = ? AND n < ? ORDER BY n DESC LIMIT ?',
            state,
            before,
            limit,
          )
    return rows.toArray().map(toInstance)
  }

  countsByState(): Partial<Record<InstanceState, number>> {
    const rows = this.#sql
      .exec<{ state: string; n: number }>('SELECT state, count(*) AS n FROM instances GROUP BY state')
      .toArray()
    return Object.fromEntries(rows.map(({ state, n }) => [state, n]))
  }

  entries(n: number, after = 0, limit = 10_000): readonly InstanceEntry[] {
    return this.#sql
      .exec<{
        data: string
      }>('SELECT data FROM entries WHERE instance = ? AND n > ? ORDER BY n LIMIT ?', n, after, limit)
      .toArray()
      .map(({ data }) => readEntry(data))
  }

  putEntry(n: number, entry: InstanceEntry): void {
    const data = JSON.stringify(entry)
    this.#sql.exec('INSERT OR REPLACE INTO entries (instance, n, data) VALUES (?, ?, ?)', n, entry.n, data)
  }

  addRaised(topic: string, event: NewEvent): void {
    const text = internalEvents.writeText('topic.event', JSON.stringify(event))
    this.#sql.exec('INSERT INTO raised (topic, event) VALUES (?, ?)', topic, text)
  }

  /** Events that are still to be raised in one topic, the oldest first, and the number of the last; undefined when there are none. */
  raised(
    limit: number,
  ): { readonly topic: string; readonly events: readonly NewEvent[]; readonly last: number } | undefined {
    const [first] = this.#sql.exec<{ topic: string }>('SELECT topic FROM raised ORDER BY n LIMIT 1').toArray()
    if (first === undefined) return undefined
    const rows = this.#sql
      .exec<{
        n: number
        event: string
      }>('SELECT n, event FROM raised WHERE topic = ? ORDER BY n LIMIT ?', first.topic, limit)
      .toArray()
    return { ...first, events: rows.map(({ event }) => readEvent(event)), last: rows.at(-1)?.n ?? 0 }
  }

  /** The events up to this number are in their topic. */
  removeRaised(topic: string, upTo: number): void {
    this.#sql.exec('DELETE FROM raised WHERE topic = ? AND n <= ?', topic, upTo)
  }

  saveFigures(): void {
    const text = JSON.stringify(this.figures)
    if (text === this.#savedFigures) return
    this.#savedFigures = text
    this.#settings.set('figures', text)
  }

  #one(sql: string, value: string | number): StoredInstance | undefined {
    return this.#sql.exec<InstanceRow>(sql, value).toArray().map(toInstance)[0]
  }

  #readVersions(): readonly StoredProcess[] {
    return this.#sql
      .exec<{ version: number; created_at: number; spec: string }>('SELECT * FROM definitions ORDER BY version DESC')
      .toArray()
      .map(({ version, created_at, spec }) => ({
        definition: { ...storedSpec.parse(JSON.parse(spec)), name: this.#name, version },
        createdAt: created_at,
      }))
  }
}

const toInstance = ({ n, correlation, version, state, look_at, entries, marks }: InstanceRow): StoredInstance => ({
  n,
  correlation,
  version,
  state: storedState.parse(state),
  lookAt: look_at,
  entries,
  marks: storedMarks.parse(JSON.parse(marks)),
})
