import { reasonOf } from '../../src/kernel/log.ts'
import { encodeAnswer, encodeFailure } from '../../src/protocol/link-frames.ts'
import type { StreamAnswer, StreamCall } from '../../src/protocol/stream.ts'

/**
 * A stream's end of a link (parts/links.ts): each message is a call, each answer waits for its commit like any other,
 * since the runtime holds what is sent until the write is on disk. It is a plain socket and not one that hibernates,
 * which costs a third less again; the gateway closes it after a few idle seconds.
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
