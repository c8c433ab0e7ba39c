import { isUtf8 } from 'node:buffer'
import { type Filterable, filterOf, listOf, type Page, pageOf } from '../filter.ts'
import type { Parts } from '../parts.ts'
import { notFound } from '../refusal.ts'
import { answer, type Call, done, type Route } from '../router.ts'
import type { DeadLetter } from '../store/dead-letters.ts'
import { messageView } from '../views.ts'

/** `/v2/dlq`: messages given up on, to look at, to delete or to send anew. */
export function deadLetterRoutes(parts: Parts): Route[] {
  return [
    { method: 'GET', path: /^\/v2\/dlq\/?$/, answer: (call) => list(parts, call) },
    { method: 'GET', path: /^\/v2\/dlq\/([^/]+)$/, answer: (_, id) => answer(letterView(one(parts, id))) },
    { method: 'DELETE', path: /^\/v2\/dlq\/?$/, answer: (call) => removeMany(parts, call) },
    { method: 'DELETE', path: /^\/v2\/dlq\/([^/]+)$/, answer: (_, id) => removeOne(parts, id) },
    { method: 'POST', path: /^\/v2\/dlq\/retry\/?$/, answer: (call) => retryMany(parts, call) },
    { method: 'POST', path: /^\/v2\/dlq\/retry\/([^/]+)$/, answer: (_, id) => retryOne(parts, id) },
  ]
}

function list(parts: Parts, { query }: Call) {
  const { items, ...cursor } = chosen(parts, query)
  return answer({ messages: items.map(letterView), ...cursor })
}

function removeOne(parts: Parts, id: string) {
  if (!parts.store.deadLetters.remove(id)) throw notFound(`dead letter ${id}`)
  return done
}

function removeMany({ store, ...parts }: Parts, { query }: Call) {
  const { items, ...cursor } = chosen({ store, ...parts }, query)
  const removed = store.atomically(() => items.filter(({ id }) => store.deadLetters.remove(id)))
  return answer({ deleted: removed.length, ...cursor })
}

function retryOne(parts: Parts, id: string) {
  return answer({ messageId: sendAnew(parts, [one(parts, id)])[0] }, 201)
}

function retryMany(parts: Parts, { query }: Call) {
  const { items, ...cursor } = chosen(parts, query)
  if (query.has('dlqIds') && items.length < listOf(query, 'dlqIds').length) throw notFound('dead letter')
  return answer({ responses: sendAnew(parts, items).map((messageId) => ({ messageId })), ...cursor }, 201)
}

/** Letters named by id, or else a page of those that pass the filters. */
function chosen({ store }: Parts, query: URLSearchParams): Page<DeadLetter> {
  if (query.has('dlqIds')) {
    const letters = listOf(query, 'dlqIds').map((id) => store.deadLetters.get(id))
    return { items: letters.filter((letter) => letter !== undefined) }
  }
  const passes = filterOf(query)
  return pageOf(
    query,
    (cursor) => store.deadLetters.before(cursor),
    (letter) => passes(filterable(letter)),
  )
}

function one({ store }: Parts, id: string): DeadLetter {
  const letter = store.deadLetters.get(id)
  if (letter === undefined) throw notFound(`dead letter ${id}`)
  return letter
}

/** New messages with new ids and all their retries; the letters are gone in the same step. */
function sendAnew({ store, clock, post, dispatcher }: Parts, letters: DeadLetter[]): string[] {
  const ids = store.atomically(() =>
    letters.map(({ id, url, queue, details, body }) => {
      store.deadLetters.remove(id)
      const options = { ...details, delayMs: 0, notBefore: clock.now() }
      return post.write({ ...details, url, queue, options, body }).id
    }),
  )
  dispatcher.wake()
  return ids
}

function letterView(letter: DeadLetter): object {
  const { status, responseHeader } = letter
  return {
    ...messageView(letter.messageId, letter),
    dlqId: letter.id,
    responseStatus: status ?? undefined,
    responseHeader,
    ...answerBodyView(letter.responseBody),
  }
}

function answerBodyView(bytes: Uint8Array): object {
  const body = Buffer.from(bytes)
  return isUtf8(body) ? { responseBody: body.toString() } : { responseBodyBase64: body.toString('base64') }
}

function filterable({ messageId, url, queue, details, status }: DeadLetter): Filterable {
  const { createdAt, labels, callerIp, topicName, scheduleId, flow } = details
  return {
    messageId,
    url,
    at: createdAt,
    labels,
    callerIp,
    topicName,
    scheduleId,
    responseStatus: status,
    queueName: queue ?? undefined,
    flowControlKey: flow?.key,
  }
}
