import { z } from 'zod'
import { canonical, type HeaderLists } from '../header.ts'
import { readJson } from '../json-body.ts'
import type { Parts } from '../parts.ts'
import { answer, type Call, type Route } from '../router.ts'
import { createSchedule } from './schedules.ts'

const PUBLISH = '/v2/publish/'
const ENQUEUE = /^\/v2\/enqueue\/([^/?]+)\/(.+)$/

const batchItems = z.array(
  z.object({
    destination: z.string(),
    headers: z.record(z.string(), z.string()).optional(),
    body: z.string().nullish(),
    queue: z.string().optional(),
  }),
)

/** `POST /v2/publish/<destination>`, `/v2/enqueue/<queue>/<destination>` and `/v2/batch`. */
export function publishRoutes(parts: Parts): Route[] {
  return [
    { method: 'POST', path: /^\/v2\/publish\/./, answer: (call) => publish(parts, call) },
    { method: 'POST', path: /^\/v2\/enqueue\/([^/]+)\/./, answer: (call, queue) => enqueue(parts, call, queue) },
    { method: 'POST', path: /^\/v2\/batch\/?$/, answer: (call) => batch(parts, call) },
  ]
}

function publish(parts: Parts, call: Call) {
  // All that follows the prefix is the destination, its query string and percent signs included.
  const destination = call.target.slice(PUBLISH.length)
  if ('Upstash-Cron' in call.header) return createSchedule(parts, call, destination)

  const receipt = parts.publisher.publish({ ...publicationOf(call), destination })
  parts.dispatcher.wake()
  return answer(receipt, 'deduplicated' in receipt ? 202 : 200)
}

function enqueue(parts: Parts, call: Call, queue: string) {
  const destination = ENQUEUE.exec(call.target)?.[2] ?? ''
  const receipt = parts.publisher.publish({ ...publicationOf(call), destination, queue })
  parts.dispatcher.wake()
  return answer(receipt, 'deduplicated' in receipt ? 202 : 200)
}

/** All messages of a batch are accepted, or none. */
function batch(parts: Parts, call: Call) {
  const items = readJson(batchItems, call.body)
  const receipts = parts.store.atomically(() =>
    items.map(({ destination, headers, body, queue }) =>
      parts.publisher.publish({
        destination,
        queue,
        callerIp: call.callerIp,
        header: headerOf(headers ?? {}),
        body: Buffer.from(body ?? ''),
      }),
    ),
  )
  parts.dispatcher.wake()
  return answer(receipts)
}

const publicationOf = ({ header, body, callerIp }: Call) => ({ header, body, callerIp })

function headerOf(headers: Record<string, string>): HeaderLists {
  return canonical(Object.entries(headers).map(([name, value]) => [name, [value]]))
}
