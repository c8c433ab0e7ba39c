import { count } from '../kernel/histogram.ts'
import type { LogEvent, NewEvent, SeenEvent } from '../events/log-event.ts'
import { correlationIn, type ProcessDefinition } from './definition.ts'
import { figuresOf, processCounts, type ProcessFigures } from './figures.ts'
import { judge, type InstanceState, type JudgedExpectation, type Judgement } from './judge.ts'

/** Events kept of an instance, and instances of a process, at most. */
export const maxInstanceEvents = 1000
export const maxInstances = 100_000
/** How far a topic's clock may be behind that does not say its time, in milliseconds. */
const unknownClockMs = 10_000

/** How far a topic has been read. Times are those of the topic, in milliseconds since the epoch. */
export interface TopicPosition {
  readonly name: string
  /** The offset up to which events have been read. */
  readonly position: number
  /** All events that were appended up to this time have been read. */
  readonly readUpTo: number
  /** Events that the topic deleted before they were read. */
  readonly skipped: number
}

/** What became of an expectation, once it is decided. */
type Mark = 'met' | 'late' | 'arrived'

/** An instance as it is stored. */
export interface StoredInstance {
  readonly n: number
  readonly correlation: string
  readonly version: number
  readonly state: InstanceState
  /** When it has to be judged again, of the topics. */
  readonly lookAt: number
  /** The number of its newest entry. */
  readonly entries: number
  readonly marks: Readonly<Record<string, Mark>>
}

/** An entry of the history of an instance. `seenAt` is when the process read it. */
export type InstanceEntry = { readonly n: number; readonly seenAt: number } & (
  | { readonly kind: 'event'; readonly event: SeenEvent }
  | { readonly kind: 'late' | 'arrived'; readonly expectation: string; readonly at: number }
  | { readonly kind: 'state'; readonly state: InstanceState }
)

/** An entry without its number. */
type NewEntry = InstanceEntry extends infer E ? (E extends unknown ? Omit<E, 'n' | 'seenAt'> : never) : never

/** What a process keeps. All that is changed for one page of events is stored together or not at all. */
export interface ProcessStore {
  /** Chosen when the process was created: names of its raised events are never those of an earlier process of its name. */
  readonly epoch: string
  /** Versions in use, the newest first. */
  definitions(): readonly ProcessDefinition[]
  topics(): readonly TopicPosition[]
  putTopic(topic: TopicPosition): void
  instance(correlation: string): StoredInstance | undefined
  numbered(n: number): StoredInstance | undefined
  /** Instances of a version that are to be judged at `until` or before, the earliest first. */
  due(version: number, until: number, limit: number): readonly number[]
  readonly instances: number
  insert(correlation: string, version: number, lookAt: number): StoredInstance
  put(instance: StoredInstance): void
  remove(n: number): void
  /** The oldest instance that is complete or abandoned. */
  oldestEnded(): number | undefined
  entries(n: number): readonly InstanceEntry[]
  putEntry(n: number, entry: InstanceEntry): void
  addRaised(topic: string, event: NewEvent): void
  readonly figures: ProcessFigures
  saveFigures(): void
}

/** A page of a topic behind a position; `now` is the topic's time. */
export interface TopicPage {
  readonly events: readonly LogEvent[]
  readonly first: number
  readonly top: number
  readonly now?: number
}

/** An instance that was changed, with its new entries. */
export interface ChangedInstance {
  readonly instance: StoredInstance
  readonly definition: ProcessDefinition
  readonly added: readonly InstanceEntry[]
}

interface Touched {
  instance: StoredInstance
  readonly definition: ProcessDefinition
  readonly isNew: boolean
  readonly events: Map<string, InstanceEntry & { readonly kind: 'event' }>
  readonly added: InstanceEntry[]
}

/**
 * Correlates events into instances and decides what is late. It knows no network and no clock: events are pages of topics, and time
 * passes as topics say it.
 */
export class ProcessTracker {
  readonly #store: ProcessStore

  constructor(store: ProcessStore) {
    this.#store = store
  }

  /** Takes a page of a topic in. `now` is when it was read. Returns the instances that it changed. */
  take(name: string, { events, first, top, now: topicNow }: TopicPage, now: number): readonly ChangedInstance[] {
    const known = this.#store.topics().find((topic) => topic.name === name)
    if (known === undefined) return []
    let position = Math.max(known.position, first - 1)
    const skipped = known.skipped + (position - known.position)
    let { readUpTo } = known
    const touched = new Map<number, Touched>()
    for (const event of events) {
      if (event.offset <= position) continue
      position = event.offset
      readUpTo = Math.max(readUpTo, event.at - 1)
      this.#place(event, name, touched, now)
    }
    if (position >= top) readUpTo = Math.max(readUpTo, (topicNow ?? now - unknownClockMs) - 1)
    this.#store.putTopic({ name, position, readUpTo, skipped })
    const changed = [...touched.values()].map((one) => this.#settle(one, now))
    if (events.length > 0) this.#store.saveFigures()
    return changed
  }

  /** Judges instances whose time has come, at most `limit`; those that are over are deleted. */
  passTime(
    now: number,
    limit: number,
  ): { readonly changed: readonly ChangedInstance[]; readonly removed: readonly StoredInstance[] } {
    const changed: ChangedInstance[] = []
    const removed: StoredInstance[] = []
    for (const definition of this.#store.definitions()) {
      const readUpTo = this.readUpTo(definition)
      for (const n of this.#store.due(definition.version, readUpTo, limit - changed.length - removed.length)) {
        const instance = this.#store.numbered(n)
        if (instance === undefined) continue
        const touched = this.#open(instance, definition, false)
        if (readUpTo >= judge(definition, eventsOf(touched), readUpTo).endsAt) {
          this.#store.remove(n)
          removed.push(instance)
        } else changed.push(this.#settle(touched, now))
      }
    }
    if (changed.length > 0) this.#store.saveFigures()
    return { changed, removed }
  }

  /** All events of a version's topics that were appended up to this time have been read. */
  readUpTo({ topics }: ProcessDefinition): number {
    const positions = this.#store.topics()
    return Math.min(...topics.map((name) => positions.find((topic) => topic.name === name)?.readUpTo ?? 0))
  }

  /** An instance with what its events say now. */
  judged(correlation: string): { readonly instance: StoredInstance; readonly judgement: Judgement } | undefined {
    const instance = this.#store.instance(correlation)
    const definition = this.#store.definitions().find(({ version }) => version === instance?.version)
    if (instance === undefined || definition === undefined) return undefined
    const seen = eventsOf(this.#open(instance, definition, false))
    return { instance, judgement: judge(definition, seen, this.readUpTo(definition)) }
  }

  /** Adds an event to its instance: an existing one of any version, or a new one of the newest. */
  #place(event: LogEvent, topic: string, touched: Map<number, Touched>, now: number): void {
    const definitions = this.#store.definitions()
    const relevant = definitions.filter(({ topics, events }) => topics.includes(topic) && events.some(isOf(event)))
    if (relevant.length === 0) return
    const { figures } = this.#store
    for (const definition of relevant) {
      const correlation = correlationIn(definition, event)
      if (correlation === undefined) {
        if (definition !== definitions[0]) continue
        figures.uncorrelated++
        processCounts.uncorrelated++
        continue
      }
      const known = this.#store.instance(correlation)
      if (known === undefined ? definition !== definitions[0] : known.version !== definition.version) continue
      const instance = known ?? this.#begin(correlation, definition, touched)
      if (instance === undefined) return
      const one = touched.get(instance.n) ?? this.#open(instance, definition, known === undefined)
      touched.set(instance.n, one)
      this.#add(one, event, topic, now)
      return
    }
  }

  #begin(
    correlation: string,
    definition: ProcessDefinition,
    touched: Map<number, Touched>,
  ): StoredInstance | undefined {
    const { figures } = this.#store
    if (this.#store.instances >= maxInstances) {
      const oldest = this.#store.oldestEnded()
      if (oldest === undefined) {
        figures.dropped++
        return undefined
      }
      this.#store.remove(oldest)
      touched.delete(oldest)
    }
    figures.instances++
    return this.#store.insert(correlation, definition.version, 0)
  }

  #open(instance: StoredInstance, definition: ProcessDefinition, isNew: boolean): Touched {
    const events = new Map<string, InstanceEntry & { readonly kind: 'event' }>()
    if (!isNew)
      for (const entry of this.#store.entries(instance.n))
        if (entry.kind === 'event') events.set(identityOf(entry.event), entry)
    return { instance, definition, isNew, events, added: [] }
  }

  /** An event that is there already counts once, as the one that was appended first. */
  #add(one: Touched, event: LogEvent, topic: string, now: number): void {
    const { figures } = this.#store
    const { offset, at, type, source, id, key, version } = event
    const seen: SeenEvent = { topic, offset, at, type, source, id, key, version }
    const known = one.events.get(identityOf(seen))
    if (known !== undefined) {
      if (!isBefore(seen, known.event)) return
      const entry = { ...known, event: seen }
      one.events.set(identityOf(seen), entry)
      this.#store.putEntry(one.instance.n, entry)
      return
    }
    if (one.events.size >= maxInstanceEvents) {
      figures.beyond++
      return
    }
    figures.events++
    processCounts.events++
    const entry = this.#note(one, { kind: 'event', event: seen }, now)
    if (entry.kind === 'event') one.events.set(identityOf(seen), entry)
  }

  #note(one: Touched, entry: NewEntry, now: number): InstanceEntry {
    const n = one.instance.entries + 1
    const noted: InstanceEntry = { n, seenAt: now, ...entry }
    one.instance = { ...one.instance, entries: n }
    one.added.push(noted)
    this.#store.putEntry(one.instance.n, noted)
    return noted
  }

  /** Judges an instance, raises what has become late or has arrived, and stores it. */
  #settle(one: Touched, now: number): ChangedInstance {
    const { definition } = one
    const judgement = judge(definition, eventsOf(one), this.readUpTo(definition))
    for (const expectation of judgement.expectations) this.#mark(one, expectation, now)
    const { state, startedAt, lastAt } = judgement
    const { figures } = this.#store
    if (state !== one.instance.state || one.isNew) {
      if (state === 'complete') {
        figures.completed++
        processCounts.completed++
        count(figures.durations, lastAt - (startedAt ?? lastAt))
      }
      if (state === 'abandoned') figures.abandoned++
      this.#note(one, { kind: 'state', state }, now)
    }
    const lookAt = Math.min(judgement.changesAt, judgement.endsAt)
    one.instance = { ...one.instance, state, lookAt }
    this.#store.put(one.instance)
    return { instance: one.instance, definition, added: one.added }
  }

  /** Notes and raises what became of an expectation; each is raised once, because its mark is stored with it. */
  #mark(one: Touched, expectation: JudgedExpectation, now: number): void {
    const { name, state, since, metAt, dueAt } = expectation
    const before = one.instance.marks[name]
    if (state !== 'met' && state !== 'late' && state !== 'arrived') return
    const wasLate = before === 'late' || before === 'arrived'
    if (before === state || (wasLate && state === 'met')) return
    const figures = figuresOf(this.#store.figures, name)
    if (before === 'met') figures.met--
    if (state !== 'met' && !wasLate) {
      figures.late++
      processCounts.late++
      this.#note(one, { kind: 'late', expectation: name, at: dueAt ?? now }, now)
      this.#raise(one, expectation, 'late')
    }
    if (state === 'arrived') {
      figures.arrived++
      processCounts.arrived++
      this.#note(one, { kind: 'arrived', expectation: name, at: metAt ?? now }, now)
      this.#raise(one, expectation, 'arrived')
    }
    if (state === 'met') figures.met++
    if (metAt !== null) count(figures.durations, metAt - (since ?? metAt))
    one.instance = { ...one.instance, marks: { ...one.instance.marks, [name]: state } }
  }

  #raise({ instance, definition }: Touched, expectation: JudgedExpectation, kind: 'late' | 'arrived'): void {
    const { n, correlation } = instance
    const { name, after, expect, count: wanted, seen, since, dueAt, metAt } = expectation
    const data = {
      process: definition.name,
      version: definition.version,
      correlation,
      instance: n,
      expectation: name,
      after,
      expect,
      count: wanted,
      seen,
      since,
      dueAt,
      ...(kind === 'arrived' ? { metAt } : {}),
    }
    this.#store.addRaised(definition.raiseTo, {
      source: `/processes/${definition.name}`,
      id: `${this.#store.epoch}/${n}/${name}/${kind}`,
      type: `process.${kind}`,
      key: correlation,
      version: 1,
      data: JSON.stringify(data),
      attributes: { extensions: { correlationid: correlation } },
    })
  }
}

const eventsOf = ({ events }: Touched): readonly SeenEvent[] => [...events.values()].map(({ event }) => event)

/** By what an event is one, also across topics. */
const identityOf = ({ source, id }: SeenEvent): string => JSON.stringify([source, id])

const isOf =
  (event: LogEvent) =>
  ({ type }: { readonly type: string }): boolean =>
    type === event.type

function isBefore(one: SeenEvent, other: SeenEvent): boolean {
  if (one.at !== other.at) return one.at < other.at
  if (one.topic !== other.topic) return one.topic < other.topic
  return one.offset < other.offset
}
