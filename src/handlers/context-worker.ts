import type { ContextService, FetchCall } from '../../durable-objects/contracts.ts'
import { runEntry } from '../cron/run.ts'
import { contextsHere, leavingContexts } from '../contexts.ts'
import { app } from '../edge/http/app.ts'
import { isOperation } from '../edge/http/callable-operations.ts'
import { forForwarded, operationOf, unknownOperation } from '../edge/http/forward.ts'
import { processFamilies } from '../edge/resources/operations/process-metrics.ts'
import type { MetricFamily } from '../kernel/exposition.ts'
import type { Outcome } from '../sagas/advance.ts'
import type { Effect, SagaDocument } from '../sagas/run.ts'
import type { DeliveryOrder, DeliveryOutcome } from '../notifications/model.ts'
import type { FetchOutcome } from '../notifications/runs/advance.ts'
import { JobWorker } from './job-worker.ts'
import { NotificationWorker } from './notification-worker.ts'
import { SagaWorker } from './saga-worker.ts'

/** How the other Workers of a system call this one, by service bindings; it starts worker runs as well. See docs/design/contexts.md. */
export class ContextWorker extends JobWorker implements ContextService {
  override async fetch(request: Request): Promise<Response> {
    const operation = operationOf(request)
    if (operation !== undefined && !isOperation(operation)) return unknownOperation()
    return await app.fetch(request, forForwarded(this.env, request), this.ctx)
  }

  async perform(tenant: string, wanted: Effect, document: SagaDocument): Promise<Outcome> {
    return await new SagaWorker(this.ctx, this.env).perform(tenant, wanted, document)
  }

  async deliver(order: DeliveryOrder): Promise<DeliveryOutcome> {
    return await new NotificationWorker(this.ctx, this.env).deliver(order)
  }

  async call(tenant: string, call: FetchCall): Promise<FetchOutcome> {
    return await new NotificationWorker(this.ctx, this.env).call(tenant, call)
  }

  async runCron(name: string): Promise<void> {
    await runEntry(this.env, name)
  }

  async ready(): Promise<readonly string[]> {
    return [...(contextsHere(this.env) ?? leavingContexts)]
  }

  async figures(): Promise<readonly MetricFamily[]> {
    return processFamilies()
  }
}
