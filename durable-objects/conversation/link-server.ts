import { reasonOf } from '../../src/kernel/log.ts'
import { encodeAnswer, encodeFailure } from '../../src/protocol/link-frames.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'

/**
 * The conversation's end of a link (gateway/channels/links.ts). Each message is a call. Its answer waits for the commit
 * like any other, since the runtime holds back what is sent until the write is on disk. A plain socket costs a third less
 * than one that hibernates; the gateway closes it after a few idle seconds.
 */
export function acceptLink(execute: (call: StreamCall) => StreamAnswer): Response {
  const { 0: theirs, 1: ours } = new WebSocketPair()
  ours.accept()
  ours.addEventListener('message', ({ data }) => ours.send(answer(execute, String(data))))
  return new Response(null, { status: 101, webSocket: theirs })
}

function answer(execute: (call: StreamCall) => StreamAnswer, text: string): string {
  try {
    const call: StreamCall = JSON.parse(text)
    return encodeAnswer(execute(call))
  } catch (thrown) {
    return encodeFailure(reasonOf(thrown))
  }
}
