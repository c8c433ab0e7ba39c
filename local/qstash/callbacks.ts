import type { Draft } from './post.ts'
import type { CallbackTarget, Message } from './model.ts'
import type { Outcome } from './retry.ts'

/** The message that tells `target` how an attempt on `source` went; `dlqId` for a failure callback only. */
export function callbackDraft(target: CallbackTarget, source: Message, outcome: Outcome, dlqId?: string): Draft {
  const body = JSON.stringify({ ...answerFields(outcome), ...sourceFields(source), dlqId })
  return {
    url: target.url,
    options: { ...target.options, labels: [] },
    body: Buffer.from(body),
    callerIp: source.details.callerIp,
  }
}

/** The same, holding the source's slot: a queue moves on only when the callback is through. */
export function inPlaceOf(source: Message, draft: Draft): Draft {
  return source.queue === null ? draft : { ...draft, queue: source.queue, position: source.position }
}

function answerFields(outcome: Outcome): object {
  return outcome.kind === 'answered'
    ? { status: outcome.status, header: outcome.header, body: base64(outcome.body) }
    : { status: 0, header: {}, body: base64(Buffer.from(outcome.error)) }
}

function sourceFields({ id, url, retried, details, body }: Message): object {
  return {
    retried,
    maxRetries: details.maxRetries,
    sourceMessageId: id,
    topicName: details.topicName,
    endpointName: details.endpointName,
    url,
    method: details.method,
    sourceHeader: details.header,
    sourceBody: base64(body),
    // Strings, unlike everywhere else: so the service sends them.
    notBefore: String(details.notBefore),
    createdAt: String(details.createdAt),
    scheduleId: details.scheduleId,
    callerIP: details.callerIp,
  }
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
