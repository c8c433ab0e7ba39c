import { Client, Receiver } from '@upstash/qstash'
import { z } from 'zod'
import type { Config } from '../../config.ts'
import { within } from '../../kernel/retry.ts'

/** Which job a delivery is about; the ledger knows the rest. */
export const jobReference = z.strictObject({ tenant: z.string(), queue: z.string(), id: z.string() })
export type JobReference = z.output<typeof jobReference>

/** A job on its way out; `attempt` makes handing it over again a new message for QStash. */
export interface Parcel extends JobReference {
  readonly runAt: number
  readonly attempt: number
}

const publishMs = 10_000
/** QStash keeps a message for later at most this long on every plan; what lies further ahead waits in the ledger. */
export const carriedAheadMs = 6 * 86_400_000

/** Where QStash brings jobs. */
export const jobsUrl = ({ publicUrl }: Config): string => `${publicUrl}/jobs`

/** Hands jobs to QStash in one call. Throws when it did not take them; handing over again is harmless. */
export async function carry(config: Config, parcels: readonly Parcel[]): Promise<void> {
  const { qstash } = config
  if (qstash === undefined) throw new Error('QStash is not configured: set QSTASH_TOKEN and its signing keys')
  const client = new Client({ baseUrl: qstash.url, token: qstash.token, retry: { retries: 1 }, enableTelemetry: false })
  const messages = parcels.map(({ tenant, queue, id, runAt, attempt }) => ({
    url: jobsUrl(config),
    body: { tenant, queue, id },
    notBefore: Math.ceil(runAt / 1000),
    deduplicationId: `${id}-${attempt}`,
  }))
  await within(publishMs, 'handing jobs to QStash', client.batchJSON(messages))
}

/** Whether a delivery really comes from QStash: its signature covers the raw body and our own address. */
export async function isFromQstash(config: Config, signature: string, body: string): Promise<boolean> {
  const { qstash } = config
  if (qstash === undefined) return false
  const receiver = new Receiver({ currentSigningKey: qstash.currentKey, nextSigningKey: qstash.nextKey })
  try {
    return await receiver.verify({ signature, body, url: jobsUrl(config), clockTolerance: 30 })
  } catch {
    return false
  }
}
