import type { changes, Difference } from '../protocol/facade-api.ts'
import { hopByHop } from './headers.ts'
import type { Side } from './route.ts'

/** The beginning of a body. */
export interface BodySample {
  /** Decoded, at most as many as are compared. */
  readonly bytes: Uint8Array
  /** Whether these are all. */
  readonly isWhole: boolean
  /** Of the bytes. */
  readonly hash: string
}

/** What is compared of an answer. */
export interface ComparedAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: BodySample
}

/** What is not compared, and how much is shown. */
export interface CompareRules {
  readonly ignoredHeaders: ReadonlySet<string>
  /** JSON pointers, `*` for any segment. */
  readonly ignoredJson: readonly (readonly string[])[]
  /** Whether the values are shown, shortened. */
  readonly values: boolean
}

export interface Comparison {
  readonly differences: readonly Difference[]
  /** Differences that are left out. */
  readonly more: number
  /** A body was too large: only its beginning was compared. */
  readonly isPartial: boolean
}

type Change = (typeof changes)[number]

export const maxDifferences = 20
const valueLength = 100
/** Deeper parts are not compared, and said to differ. */
const maxDepth = 64

/** Headers that differ between two answers that are the same. */
const neverCompared: readonly string[] = [
  ...hopByHop,
  'age',
  'alt-svc',
  'cf-cache-status',
  'cf-ray',
  'content-encoding',
  'content-length',
  'date',
  'etag',
  'last-modified',
  'server',
  'server-timing',
  'set-cookie',
  'traceparent',
  'tracestate',
  'via',
  'x-powered-by',
  'x-request-id',
  'x-runtime',
]

/** The rules of a route's `shadow`. */
export const compareRules = (
  ignore: {
    readonly headers: readonly string[]
    readonly json: readonly string[]
  },
  values: boolean,
): CompareRules => ({
  ignoredHeaders: new Set([...neverCompared, ...ignore.headers.map((name) => name.toLowerCase())]),
  ignoredJson: ignore.json.map(segmentsOf),
  values,
})

/** RFC 6901. */
const segmentsOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))

const escaped = (segment: string): string => segment.replaceAll('~', '~0').replaceAll('/', '~1')

/** Collects differences up to a bound; counts the others. */
class Differences {
  readonly list: Difference[] = []
  more = 0
  readonly #values: boolean

  constructor(values: boolean) {
    this.#values = values
  }

  add(at: string, change: Change, given: Partial<Record<Side, string>> = {}): void {
    if (this.list.length >= maxDifferences) return void this.more++
    const shownValues: Partial<Record<Side, string>> = {}
    if (this.#values)
      for (const side of ['legacy', 'new'] as const) {
        const value = given[side]
        if (value !== undefined) shownValues[side] = value.slice(0, valueLength)
      }
    this.list.push({ at: at.slice(0, 300), change, ...shownValues })
  }
}

/** Compares what both sides answered to one request. Exchanging the sides exchanges them in the result, and nothing else. */
export function compareAnswers(legacy: ComparedAnswer, next: ComparedAnswer, rules: CompareRules): Comparison {
  const found = new Differences(rules.values)
  if (legacy.status !== next.status)
    // Statuses hold no data of users.
    found.list.push({ at: 'status', change: 'changed', legacy: String(legacy.status), new: String(next.status) })
  compareHeaders(legacy.headers, next.headers, rules.ignoredHeaders, found)
  compareBodies(legacy, next, rules, found)
  return {
    differences: found.list,
    more: found.more,
    isPartial: !legacy.body.isWhole || !next.body.isWhole,
  }
}

function compareHeaders(legacy: Headers, next: Headers, ignored: ReadonlySet<string>, found: Differences): void {
  const names = new Set([...legacy.keys(), ...next.keys()])
  for (const name of [...names].toSorted()) {
    if (ignored.has(name)) continue
    const [one, other] = [legacy.get(name), next.get(name)]
    if (one !== other) addChange(`header ${name}`, one ?? undefined, other ?? undefined, found)
  }
}

function addChange(at: string, one: string | undefined, other: string | undefined, found: Differences): void {
  const change = one === undefined ? 'only-new' : other === undefined ? 'only-legacy' : 'changed'
  found.add(at, change, {
    ...(one === undefined ? {} : { legacy: one }),
    ...(other === undefined ? {} : { new: other }),
  })
}

function compareBodies(legacy: ComparedAnswer, next: ComparedAnswer, rules: CompareRules, found: Differences): void {
  const { body: one } = legacy
  const { body: other } = next
  if (one.isWhole && other.isWhole) {
    if (one.hash === other.hash) return
    const parsed = isJson(legacy.headers) && isJson(next.headers) ? bothParsed(one, other) : undefined
    if (parsed === undefined) return found.add('body', 'changed', shownSizes(one, other))
    return compareJson(parsed[0], parsed[1], [], rules, found)
  }
  const isSame =
    one.isWhole === other.isWhole && one.hash === other.hash && haveSameLength(legacy.headers, next.headers)
  if (!isSame) found.add('body', 'changed', shownSizes(one, other))
}

/** Lengths of encoded bodies say nothing about what they hold. */
function haveSameLength(one: Headers, other: Headers): boolean {
  const lengthOf = (headers: Headers) => (headers.has('content-encoding') ? null : headers.get('content-length'))
  const left = lengthOf(one)
  const right = lengthOf(other)
  return left === right || left === null || right === null
}

const shownSizes = (one: BodySample, other: BodySample) => ({ legacy: sizeOf(one), new: sizeOf(other) })
const sizeOf = ({ bytes, isWhole }: BodySample): string => `${isWhole ? '' : 'more than '}${bytes.byteLength} bytes`

const isJson = (headers: Headers): boolean =>
  /^application\/(?:[\w.+-]+\+)?json\b/i.test(headers.get('content-type') ?? '')

function bothParsed(one: BodySample, other: BodySample): readonly [unknown, unknown] | undefined {
  try {
    const text = new TextDecoder()
    return [JSON.parse(text.decode(one.bytes)), JSON.parse(text.decode(other.bytes))]
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function compareJson(
  one: unknown,
  other: unknown,
  path: readonly string[],
  rules: CompareRules,
  found: Differences,
): void {
  if (rules.ignoredJson.some((pattern) => matches(pattern, path))) return
  const at = path.map((segment) => `/${escaped(segment)}`).join('') || '/'
  if (path.length > maxDepth) return found.add(at, 'not-compared')
  if (Array.isArray(one) && Array.isArray(other)) {
    const length = Math.max(one.length, other.length)
    for (let index = 0; index < length; index++)
      compareMember(one, other, String(index), path, rules, found, index < one.length, index < other.length)
    return
  }
  if (isObject(one) && isObject(other)) {
    const names = new Set([...Object.keys(one), ...Object.keys(other)])
    for (const name of [...names].toSorted())
      compareMember(one, other, name, path, rules, found, Object.hasOwn(one, name), Object.hasOwn(other, name))
    return
  }
  if (one !== other) found.add(at, 'changed', { legacy: shown(one), new: shown(other) })
}

function compareMember(
  one: object,
  other: object,
  name: string,
  path: readonly string[],
  rules: CompareRules,
  found: Differences,
  isInOne: boolean,
  isInOther: boolean,
): void {
  const inner = [...path, name]
  const [left, right]: readonly unknown[] = [Reflect.get(one, name), Reflect.get(other, name)]
  if (isInOne && isInOther) return compareJson(left, right, inner, rules, found)
  if (rules.ignoredJson.some((pattern) => matches(pattern, inner))) return
  const at = inner.map((segment) => `/${escaped(segment)}`).join('')
  if (isInOne) found.add(at, 'only-legacy', { legacy: shown(left) })
  else found.add(at, 'only-new', { new: shown(right) })
}

const matches = (pattern: readonly string[], path: readonly string[]): boolean =>
  pattern.length === path.length && pattern.every((segment, place) => segment === '*' || segment === path[place])

/** A value in short; of objects and arrays only what they are. */
const shown = (value: unknown): string =>
  Array.isArray(value) ? `${value.length} items` : isObject(value) ? 'an object' : JSON.stringify(value)
