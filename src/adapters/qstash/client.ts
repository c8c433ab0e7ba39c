import { Client, QstashError, Receiver } from '@upstash/qstash'
import { z } from 'zod'
import type { Config } from '../../config.ts'
import type { WorkerRunReference } from '../../jobs/queue/worker-runs.ts'
import { endedBy } from '../deadline.ts'
import { qstash as qstashService } from '../dependencies.ts'
import { callDependency, fromDependency } from '../dependency.ts'

/** The body of a message. `visit` is what a run was called when the first messages were written. */
const messageBody = z.strictObject({ tenant: z.string(), queue: z.string(), visit: z.string() })

/** A run to be started at `at`, milliseconds since the epoch. */
export interface QStashMessage extends WorkerRunReference {
  readonly at: number
  /** The W3C trace of the request that made the run necessary; QStash brings it along. */
  readonly traceparent?: string
}

const deadlineMs = 10_000
/** Tells our messages from others of the same account. */
const messageLabel = 'parley-visit'

/** Where QStash delivers messages, and where it reports one that it gave up. */
export const jobsUrl = ({ publicUrl }: Config): string => `${publicUrl}/jobs`
export const failedUrl = ({ publicUrl }: Config): string => `${publicUrl}/jobs/failed`

/** Deliveries after the first one fails; few, since the queue requests another run by itself. */
const retries = 2
/** In milliseconds, and soon: a run that broke off does not start again, but the call wakes the queue. */
const retryDelay = '3000 * (1 + retried)'

/**
 * Publishes runs in one call. Throws when QStash did not accept them; publishing again is harmless. Its clock has whole
 * seconds: a run starts up to one early, and waits in a long poll.
 */
export async function publish(config: Config, runs: readonly QStashMessage[]): Promise<void> {
  const messages = runs.map(({ tenant, queue, run, at, traceparent }) => ({
    url: jobsUrl(config),
    body: { tenant, queue, visit: run },
    notBefore: Math.floor(at / 1000),
    deduplicationId: run,
    failureCallback: failedUrl(config),
    retries,
    retryDelay,
    label: messageLabel,
    ...(traceparent === undefined ? {} : { headers: { traceparent } }),
  }))
  await callQstash(config, (client) => client.batchJSON(messages))
}

/** Up to a hundred runs in QStash's dead letter queue, with the id each has there; `run` is undefined for a message that is not ours. */
export async function readDeadRuns(config: Config) {
  const wanted = { count: 100, filter: { label: messageLabel } }
  const { messages } = await fromDependency('qstash', () =>
    callQstash(config, (client) => client.dlq.listMessages(wanted)),
  )
  return messages.map(({ dlqId, body }) => ({ dlqId, run: readRunReference(body ?? '') }))
}

export async function deleteDeadRuns(config: Config, dlqIds: readonly string[]): Promise<void> {
  if (dlqIds.length === 0) return
  await fromDependency('qstash', () => callQstash(config, (client) => client.dlq.delete([...dlqIds])))
}

/** Whether a delivery comes from QStash: its signature covers the raw body and our own address. */
export async function isFromQstash(config: Config, url: string, signature: string, body: string): Promise<boolean> {
  const { qstash } = config
  if (qstash === undefined) return false
  const receiver = new Receiver({ currentSigningKey: qstash.currentKey, nextSigningKey: qstash.nextKey })
  try {
    return await receiver.verify({ signature, body, url, clockTolerance: 30 })
  } catch {
    return false
  }
}

/** The run that a message's body names; undefined when the message is not ours. */
export function readRunReference(body: string): WorkerRunReference | undefined {
  try {
    const { tenant, queue, visit } = messageBody.parse(JSON.parse(body))
    return { tenant, queue, run: visit }
  } catch {
    return undefined
  }
}

/** A call through the wrapper, whose retries take the place of the SDK's. */
async function callQstash<T>({ qstash }: Config, call: (client: Client) => Promise<T>): Promise<T> {
  if (qstash === undefined) throw new Error('QStash is not configured: set QSTASH_TOKEN and its signing keys')
  const client = new Client({ baseUrl: qstash.url, token: qstash.token, retry: false, enableTelemetry: false })
  return await callDependency(qstashService, { deadlineMs, isTrouble }, async (signal) => ({
    value: await endedBy(signal, call(client)),
  }))
}

/** A request that QStash refuses says nothing about QStash. */
const isTrouble = (thrown: unknown): boolean =>
  !(thrown instanceof QstashError) || (thrown.status ?? 500) >= 500 || thrown.status === 429
