import { splitList } from './options.ts'

/** The sides of a message, letter or log entry that a request may filter by. */
export interface Filterable {
  messageId: string
  url: string
  /** The instant that `fromDate` and `toDate` (both inclusive, unix ms) are compared with. */
  at: number
  labels: string[]
  callerIp: string
  topicName?: string | undefined
  queueName?: string | undefined
  scheduleId?: string | undefined
  flowControlKey?: string | undefined
  responseStatus?: number | null | undefined
  state?: string | undefined
}

type Test = (item: Filterable) => boolean

/** How an item answers to a query parameter: it passes when any of its values is among those asked for. */
const sides: Record<string, (item: Filterable) => (string | number | null | undefined)[]> = {
  messageId: (item) => [item.messageId],
  messageIds: (item) => [item.messageId],
  label: (item) => item.labels,
  callerIp: (item) => [item.callerIp],
  callerIP: (item) => [item.callerIp],
  topicName: (item) => [item.topicName],
  queueName: (item) => [item.queueName],
  scheduleId: (item) => [item.scheduleId],
  flowControlKey: (item) => [item.flowControlKey],
  responseStatus: (item) => [item.responseStatus],
  host: (item) => [new URL(item.url).host],
  path: (item) => [new URL(item.url).pathname],
  state: (item) => [item.state, ...(inProgress.has(item.state ?? '') ? ['IN_PROGRESS'] : [])],
}

const inProgress = new Set(['ACTIVE', 'RETRY', 'ERROR'])

/** One test out of all filters in a query: values of one are alternatives, different ones must all hold. */
export function filterOf(query: URLSearchParams): Test {
  const tests = [...new Set(query.keys())].map((name) => testOf(name, query)).filter((test) => test !== undefined)
  return (item) => tests.every((test) => test(item))
}

function testOf(name: string, query: URLSearchParams): Test | undefined {
  if (name === 'fromDate') return (item) => item.at >= Number(query.get(name))
  if (name === 'toDate') return (item) => item.at <= Number(query.get(name))
  if (name === 'url') return (item) => query.getAll(name).includes(item.url)

  const side = Object.hasOwn(sides, name) ? sides[name] : undefined
  if (side === undefined) return undefined
  const wanted = new Set(listOf(query, name))
  return (item) => side(item).some((value) => wanted.has(String(value)))
}

/** Values given by repeating the parameter, by commas, or both. */
export function listOf(query: URLSearchParams, name: string): string[] {
  return query.getAll(name).flatMap(splitList)
}

const LARGEST_PAGE = 100

/** Some of a list, newest first; a `cursor` says that there is more. */
export interface Page<T> {
  items: T[]
  cursor?: string
}

/** Takes the first `count` items that pass. The cursor is the place of the last one, so that deleting moves nothing. */
export function pageOf<T extends { seq: number }>(
  query: URLSearchParams,
  itemsBefore: (cursor: number) => Iterable<T>,
  passes: (item: T) => boolean,
): Page<T> {
  const count = Math.min(LARGEST_PAGE, Math.max(1, Number(query.get('count') ?? LARGEST_PAGE) || LARGEST_PAGE))
  const items: T[] = []
  for (const item of itemsBefore(Number(query.get('cursor') || Number.MAX_SAFE_INTEGER))) {
    if (!passes(item)) continue
    const last = items.at(-1)
    if (items.length === count && last !== undefined) return { items, cursor: String(last.seq) }
    items.push(item)
  }
  return { items }
}
