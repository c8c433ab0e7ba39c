import { encodeWith } from '../../kernel/json.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import type { MessageContent } from '../../protocol/payloads.ts'
import type { Receipt } from '../queue/lifecycle.ts'
import type { JobState } from '../model/phase.ts'

/** The payload of a job that sends a message of `user`; its `data` is passed on byte for byte. */
export const deliveryPayload = (conversation: string, user: string, { dataText, ...content }: MessageContent): string =>
  encodeWith({ conversation, user }, { content: encodeWith(content, { data: dataText }) })

/** The answer to a scheduled message: its job, and when it is or was delivered; for a duplicate, the time of the first request. */
export interface Scheduled {
  readonly kind: 'scheduled'
  readonly says: {
    readonly job: string
    readonly state: JobState
    readonly deliverAt: number
    readonly duplicate: boolean
  }
}

const undelivered: ReadonlySet<JobState> = new Set(['cancelled', 'failed', 'dead'])

/** The answer from the job's receipt. The same clientId is the same message: one that ended undelivered is refused. */
export function scheduled({ id: job, state, dueAt, duplicate }: Receipt, runAt: number): Scheduled | Refusal {
  if (undelivered.has(state))
    return refuse('conflict', `clientId: job ${job} ended ${state}, undelivered: send it with another clientId`)
  return { kind: 'scheduled', says: { job, state, deliverAt: duplicate ? dueAt : runAt, duplicate } }
}
