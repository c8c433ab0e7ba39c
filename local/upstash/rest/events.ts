import type { ServerResponse } from 'node:http'
import type { Backend, SubscriptionEvent, SubscriptionKind } from '../backend.ts'
import { type Bytes, toText } from '../bytes.ts'

/** Streams a subscription as server-sent events until the client leaves or the backend goes. */
export async function streamEvents(
  backend: Backend,
  how: SubscriptionKind,
  names: Bytes[],
  response: ServerResponse,
): Promise<void> {
  const unsubscribe = await backend.subscribe(how, names, {
    event: (event) => {
      begin(response)
      response.write(toServerSentEvent(event))
    },
    end: () => response.end(),
  })
  if (response.destroyed) unsubscribe()
  else response.once('close', unsubscribe)
}

function begin(response: ServerResponse): void {
  if (response.headersSent) return
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
}

function toServerSentEvent(event: SubscriptionEvent): string {
  const line = event.map((part) => (typeof part === 'number' ? part : toText(part))).join(',')
  return `data: ${line.replaceAll(/\r?\n/g, '\ndata: ')}\n\n`
}
