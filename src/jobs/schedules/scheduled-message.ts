import { encodeWith } from '../../kernel/json.ts'
import { uuidFrom } from '../../kernel/id.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import type { MessageContent } from '../../protocol/payloads.ts'
import type { Receipt } from '../queue/enqueue.ts'
import type { JobState } from '../model/phase.ts'
import type { NewJob } from '../model/job.ts'

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

/** Who sends a message for later, what it says, and when: `deliverAt` in milliseconds since the epoch. */
export interface LaterMessage {
  readonly tenant: string
  readonly conversation: string
  readonly actor: { readonly user: string; readonly client: string; readonly server: boolean }
  readonly content: MessageContent
  readonly deliverAt: number
}

type Enqueued = Receipt & { readonly kind: 'queued' }

/** The conversation and the job queue that a message for later needs. */
export interface LaterPorts {
  /** Whether the conversation would take a message of the actor. */
  admits(actor: LaterMessage['actor']): Promise<{ readonly kind: 'admitted' } | Refusal>
  enqueue(job: NewJob): Promise<Enqueued | Refusal>
}

/** Turns a message for later into a job, whose id follows from the sender and the clientId. It is stored when this resolves. */
export async function scheduleMessage(
  ports: LaterPorts,
  { tenant, conversation, actor, content, deliverAt }: LaterMessage,
): Promise<Scheduled | Refusal> {
  if (content.attachments?.some((one) => 'upload' in one) === true)
    return refuse(
      'badRequest',
      'attachments: a message for later cannot name uploads, which are kept for a day; send it now, or give urls',
    )
  const admitted = await ports.admits(actor)
  if (admitted.kind === 'refused') return admitted
  const id = await uuidFrom(JSON.stringify([tenant, conversation, actor.user, content.clientId]))
  const payload = deliveryPayload(conversation, actor.user, content)
  const queued = await ports.enqueue({ id, type: 'deliver-message', payload, runAt: deliverAt })
  return queued.kind === 'refused' ? queued : scheduled(queued, deliverAt)
}
