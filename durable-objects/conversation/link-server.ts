import { reasonOf } from '../../src/kernel/log.ts'
import { encodeAnswer, encodeFailure, linkListsHeader } from '../../src/protocol/link-frames.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'

/**
 * The conversation's end of a link (gateway/channels/links.ts). Each message is a call. Its answer waits for the commit
 * like any other, since the runtime holds back what is sent until the write is on disk. A plain socket costs a third less
 * than one that hibernates; the gateway closes it after a few idle seconds.
 */
export function acceptLink(request: Request, execute: (call: StreamCall) => StreamAnswer): Response {
  const hasLists = request.headers.has(linkListsHeader)
  const { 0: theirs, 1: ours } = new WebSocketPair()
  ours.accept()
  ours.addEventListener('message', ({ data }) => ours.send(answer(execute, String(data), hasLists)))
  return new Response(null, { status: 101, webSocket: theirs })
}

function answer(execute: (call: StreamCall) => StreamAnswer, text: string, hasLists: boolean): string {
  try {
    const call: StreamCall = JSON.parse(text)
    return encodeAnswer(execute(call), hasLists)
  } catch (thrown) {
    return encodeFailure(reasonOf(thrown))
  }
}
