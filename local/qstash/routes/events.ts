import { type Filterable, filterOf, pageOf } from '../filter.ts'
import type { Parts } from '../parts.ts'
import { answer, type Call, type Route } from '../router.ts'
import type { Entry } from '../store/events.ts'

/** The log: the SDK asks for `/v2/events`, the documentation says `/v2/logs`. Newest entries first. */
export function eventRoutes(parts: Parts): Route[] {
  return [{ method: 'GET', path: /^\/v2\/(?:events|logs)\/?$/, answer: (call) => list(parts, call) }]
}

function list({ store }: Parts, { query }: Call) {
  const passes = filterOf(query)
  const { items, ...cursor } = pageOf(
    query,
    (cursor) => store.events.before(cursor),
    (entry) => passes(filterable(entry)),
  )
  const events = items.map(view)
  return answer({ events, logs: events, ...cursor })
}

function filterable({ message_id, url, time, state, facts }: Entry): Filterable {
  return { ...facts, messageId: message_id, url, at: time, state }
}

function view({ time, state, message_id, url, facts }: Entry): object {
  const { labels } = facts
  return { time, state, messageId: message_id, url, ...facts, label: labels[0] }
}
