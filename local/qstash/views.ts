import { isUtf8 } from 'node:buffer'
import type { PublishOptions } from './model.ts'

interface Viewed {
  url: string
  queue: string | null
  details: PublishOptions & {
    notBefore: number
    createdAt: number
    callerIp: string
    topicName?: string | undefined
    endpointName?: string | undefined
    scheduleId?: string | undefined
  }
  body: Uint8Array
}

/** A message as the wire shows it, both on its way and in the dead letter queue. */
export function messageView(messageId: string, { url, queue, details, body }: Viewed): object {
  return {
    messageId,
    url,
    topicName: details.topicName,
    endpointName: details.endpointName,
    scheduleId: details.scheduleId,
    queueName: queue ?? undefined,
    notBefore: details.notBefore,
    createdAt: details.createdAt,
    callerIP: details.callerIp,
    callerIp: details.callerIp,
    maxRetries: details.maxRetries,
    ...optionsView(details),
    ...bodyView(body),
  }
}

/** What messages and schedules show alike of the options they were published with. */
export function optionsView(options: PublishOptions): object {
  const { flow, labels } = options
  return {
    method: options.method,
    header: options.header,
    retryDelayExpression: options.retryDelay,
    timeout: options.timeoutMs,
    callback: options.callback?.url,
    failureCallback: options.failureCallback?.url,
    label: labels[0],
    labels: labels.length > 0 ? labels : undefined,
    flowControlKey: flow?.key,
    parallelism: flow?.parallelism,
    rate: flow?.rate,
    period: flow === undefined ? undefined : flow.periodMs / 1000,
  }
}

/** `body` when the bytes are UTF-8, `bodyBase64` when not. */
export function bodyView(bytes: Uint8Array): object {
  const body = Buffer.from(bytes)
  return isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') }
}
