import { type Filterable, filterOf, listOf } from '../filter.ts'
import type { Message } from '../model.ts'
import type { Parts } from '../parts.ts'
import { notFound } from '../refusal.ts'
import { answer, type Call, type Route } from '../router.ts'
import { messageView } from '../views.ts'

/** `/v2/messages`: messages on their way, to look at or to cancel. A delivered one is no longer here. */
export function messageRoutes(parts: Parts): Route[] {
  return [
    { method: 'GET', path: /^\/v2\/messages\/([^/]+)$/, answer: (_, id) => get(parts, id) },
    { method: 'DELETE', path: /^\/v2\/messages\/([^/]+)$/, answer: (_, id) => cancelOne(parts, id) },
    { method: 'DELETE', path: /^\/v2\/messages\/?$/, answer: (call) => cancelMany(parts, call) },
  ]
}

function get({ store }: Parts, id: string) {
  const message = store.messages.get(id)
  if (message === undefined) throw notFound(`message ${id}`)
  return answer(messageView(id, message))
}

function cancelOne(parts: Parts, id: string) {
  if (cancel(parts, [id]) === 0) throw notFound(`message ${id}`)
  return answer({ cancelled: 1 }, 202)
}

/** With ids, those; with filters, all that pass; with neither, everything. `count` is ignored, as documented. */
function cancelMany(parts: Parts, { query }: Call) {
  const ids = query.has('messageIds') ? listOf(query, 'messageIds') : matching(parts, query)
  return answer({ cancelled: cancel(parts, ids) }, 202)
}

function matching({ store }: Parts, query: URLSearchParams): string[] {
  const passes = filterOf(query)
  const ids: string[] = []
  for (const message of store.messages.all()) if (passes(filterable(message))) ids.push(message.id)
  return ids
}

function filterable({ id, url, queue, details }: Message): Filterable {
  const { createdAt, labels, callerIp, topicName, scheduleId, flow } = details
  return {
    messageId: id,
    url,
    at: createdAt,
    labels,
    callerIp,
    topicName,
    scheduleId,
    queueName: queue ?? undefined,
    flowControlKey: flow?.key,
  }
}

function cancel({ store, clock, dispatcher }: Parts, ids: string[]): number {
  const cancelled = store.atomically(() => {
    const found = ids.map((id) => store.messages.get(id)).filter((message) => message !== undefined)
    for (const message of found) {
      store.messages.remove(message.id)
      store.events.add('CANCEL_REQUESTED', message, clock.now())
      store.events.add('CANCELED', message, clock.now())
    }
    return found.length
  })
  // A cancelled message may have held up its queue.
  dispatcher.wake()
  return cancelled
}
