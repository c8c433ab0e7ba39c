import { Client, Receiver } from '@upstash/qstash'
import { z } from 'zod'
import type { Config } from '../../config.ts'
import type { WorkerRunReference } from '../../jobs/queue/worker-runs.ts'
import { within } from '../../kernel/retry.ts'
import { fromDependency } from '../dependency.ts'

const runReference = z.strictObject({ tenant: z.string(), queue: z.string(), visit: z.string() })

/** A visit to be made at `at`, milliseconds since the epoch. */
export interface QStashMessage extends WorkerRunReference {
  readonly at: number
}

const publishMs = 10_000
/** What tells visits from whatever else the account may carry. */
const visitLabel = 'parley-visit'

/** Where QStash brings visits, and where it says that it gave one up. */
export const jobsUrl = ({ publicUrl }: Config): string => `${publicUrl}/jobs`
export const failedUrl = ({ publicUrl }: Config): string => `${publicUrl}/jobs/failed`

/** QStash tries a visit this often beyond the first time: the ledger sends again by itself, so it need not insist. */
const retries = 2
/** Soon, and in milliseconds: a visit that broke off is not let in again, but it wakes the ledger to see who is left. */
const retryDelay = '3000 * (1 + retried)'

/**
 * Hands visits to QStash in one call. Throws when it did not take them; handing over again is harmless.
 * Its clock has whole seconds: a visit comes up to one early, and waits at the door.
 */
export async function publish(config: Config, parcels: readonly QStashMessage[]): Promise<void> {
  const messages = parcels.map(({ tenant, queue, visit, at }) => ({
    url: jobsUrl(config),
    body: { tenant, queue, visit },
    notBefore: Math.floor(at / 1000),
    deduplicationId: visit,
    failureCallback: failedUrl(config),
    retries,
    retryDelay,
    label: visitLabel,
  }))
  await within(publishMs, 'handing visits to QStash', open(config).batchJSON(messages))
}

/** Up to a hundred visits that ended in QStash's dead letter queue, by the id they have there. */
export async function readDeadRuns(config: Config) {
  const wanted = { count: 100, filter: { label: visitLabel } }
  const { messages } = await fromDependency('qstash', () =>
    within(publishMs, 'reading the dead letters of QStash', open(config).dlq.listMessages(wanted)),
  )
  return messages.map(({ dlqId, body }) => ({ dlqId, visit: readRunReference(body ?? '') }))
}

export async function deleteDeadRuns(config: Config, dlqIds: readonly string[]): Promise<void> {
  if (dlqIds.length === 0) return
  await fromDependency('qstash', () =>
    within(publishMs, 'deleting dead letters at QStash', open(config).dlq.delete([...dlqIds])),
  )
}

/** Whether a delivery really comes from QStash: its signature covers the raw body and our own address. */
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

/** The visit in a message's body; undefined when it is none of ours. */
export function readRunReference(body: string): WorkerRunReference | undefined {
  try {
    return runReference.parse(JSON.parse(body))
  } catch {
    return undefined
  }
}

function open({ qstash }: Config): Client {
  if (qstash === undefined) throw new Error('QStash is not configured: set QSTASH_TOKEN and its signing keys')
  return new Client({ baseUrl: qstash.url, token: qstash.token, retry: { retries: 1 }, enableTelemetry: false })
}
