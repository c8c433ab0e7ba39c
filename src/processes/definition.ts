import { evaluate } from '../kernel/expression.ts'
import { correlationOf, type LogEvent } from '../events/log-event.ts'

/** Characters of a correlation id, at most. */
export const correlationLength = 200

/** A type of events that belongs to a process. */
export interface WatchedType {
  readonly type: string
  /** JMESPath that gives the correlation id; null for that of the definition. */
  readonly correlation: string | null
  readonly starts: boolean
  readonly ends: boolean
}

/** After the first event of type `after`, `count` events of type `expect` have to come within a time. */
export interface Expectation {
  readonly name: string
  readonly after: string
  readonly expect: string
  readonly withinSeconds: number
  readonly count: number
}

/** What a tenant says about a process. */
export interface ProcessSpec {
  readonly topics: readonly string[]
  readonly correlation: string | null
  readonly events: readonly WatchedType[]
  readonly expectations: readonly Expectation[]
  /** The topic of the events that the process raises. */
  readonly raiseTo: string
  readonly keepSeconds: number
  readonly idleSeconds: number
  readonly watchers: readonly string[]
}

/** One version of a process. */
export interface ProcessDefinition extends ProcessSpec {
  readonly name: string
  readonly version: number
}

/** Types of the events that processes raise begin with this. */
export const raisedPrefix = 'process.'

/** Why a definition is refused, beginning with the field; undefined when it is accepted. */
export function badProcess({ events, expectations, idleSeconds }: ProcessSpec): string | undefined {
  const types = new Set<string>()
  for (const [index, { type }] of events.entries()) {
    if (type.startsWith(raisedPrefix))
      return `events.${index}.type: begins with "${raisedPrefix}"; a process cannot watch what processes raise`
    if (types.has(type)) return `events.${index}.type: ${type} is listed twice`
    types.add(type)
  }
  if (!events.some(({ starts }) => starts))
    return 'events: one of them has to start the process; give it "starts": true'
  if (!events.some(({ ends }) => ends)) return 'events: one of them has to end the process; give it "ends": true'
  const names = new Set<string>()
  for (const [index, expectation] of expectations.entries()) {
    const { name, after, expect, withinSeconds, count } = expectation
    const at = `expectations.${index}`
    if (names.has(name)) return `${at}.name: ${name} is listed twice`
    names.add(name)
    if (!types.has(after)) return `${at}.after: ${after} is not among events; add it there`
    if (!types.has(expect)) return `${at}.expect: ${expect} is not among events; add it there`
    if (after === expect && count === 1)
      return `${at}.expect: the event ${after} itself meets it; give another type, or a count of 2 or more`
    if (withinSeconds > idleSeconds)
      return `${at}.withinSeconds: at most idleSeconds (${idleSeconds}), got ${withinSeconds}; an instance is abandoned before it could be late`
  }
  const cycle = cycleIn(expectations)
  return cycle === undefined ? undefined : `expectations: a cycle, ${cycle.join(' → ')}; remove one of them`
}

/** Types that are expected after each other in a circle, the first one again at the end; undefined when there is none. */
function cycleIn(expectations: readonly Expectation[]): readonly string[] | undefined {
  const next = new Map<string, string[]>()
  for (const { after, expect } of expectations)
    if (after !== expect) next.set(after, [...(next.get(after) ?? []), expect])
  const cleared = new Set<string>()
  const search = (type: string, path: readonly string[]): readonly string[] | undefined => {
    const place = path.indexOf(type)
    if (place >= 0) return [...path.slice(place), type]
    if (cleared.has(type)) return undefined
    for (const following of next.get(type) ?? []) {
      const found = search(following, [...path, type])
      if (found !== undefined) return found
    }
    cleared.add(type)
    return undefined
  }
  for (const type of next.keys()) {
    const found = search(type, [])
    if (found !== undefined) return found
  }
  return undefined
}

/** What is permitted and may not be meant. `registered` are those of its types that have a schema. */
export function warningsOf({ events, expectations }: ProcessSpec, registered: ReadonlySet<string>): string[] {
  const expected = new Set(expectations.filter(({ after, expect }) => after !== expect).map(({ expect }) => expect))
  const following = new Set(expectations.map(({ after }) => after))
  const warnings: string[] = []
  for (const [index, { type, starts, ends }] of events.entries()) {
    const isReached = starts || expected.has(type)
    if (!registered.has(type))
      warnings.push(
        `events.${index}.type: no schema of ${type} is registered; check that it is spelled as it is published`,
      )
    if (ends && !isReached) warnings.push(`events.${index}: ends the process, and no expectation leads to it`)
    else if (!isReached && !following.has(type))
      warnings.push(`events.${index}: nothing leads to ${type} and nothing follows it; it is only shown`)
  }
  for (const [index, { after }] of expectations.entries()) {
    const starts = events.some((event) => event.type === after && event.starts)
    if (!starts && !expected.has(after))
      warnings.push(
        `expectations.${index}.after: ${after} neither starts the process nor is expected; this holds only when it comes`,
      )
  }
  return warnings
}

/** The correlation id of an event in this version; undefined when the event does not belong to it or has none. */
export function correlationIn(definition: ProcessDefinition, event: LogEvent): string | undefined {
  const watched = definition.events.find(({ type }) => type === event.type)
  if (watched === undefined) return undefined
  const value = valueOf(watched.correlation ?? definition.correlation, event)
  const text = typeof value === 'number' ? String(value) : value
  return typeof text === 'string' && text !== '' && text.length <= correlationLength ? text : undefined
}

function valueOf(expression: string | null, event: LogEvent): unknown {
  if (expression === null) return correlationOf(event)
  const { type, source, id, key, version, data, attributes } = event
  const correlationid = attributes.extensions?.['correlationid'] ?? null
  const subject = attributes.subject ?? null
  try {
    const parsed: unknown = data === null || attributes.base64 === true ? null : JSON.parse(data)
    return evaluate(expression, { type, source, id, key, version, subject, correlationid, data: parsed })
  } catch {
    return undefined
  }
}
