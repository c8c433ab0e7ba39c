import { WorkerEntrypoint } from 'cloudflare:workers'
import type { FetchCall } from '../../durable-objects/contracts.ts'
import type { NotificationSender } from '../../durable-objects/notification-contracts.ts'
import type { Env } from '../env.ts'
import type { DeliveryOrder, DeliveryOutcome } from '../notifications/model.ts'
import type { FetchOutcome } from '../notifications/runs/advance.ts'
import { callStepEndpoint } from './notification-fetch.ts'

/** Sends what runs of notifications decided, one message in each invocation, so that a run never waits for another. */
export class NotificationWorker extends WorkerEntrypoint<Env> implements NotificationSender {
  async deliver({ provider }: DeliveryOrder): Promise<DeliveryOutcome> {
    return { kind: 'refused', answer: `provider "${provider}": there is none of this name` }
  }

  /** Makes the call of a fetch step. */
  async call(tenant: string, call: FetchCall): Promise<FetchOutcome> {
    return await callStepEndpoint(this.env, tenant, call)
  }
}
