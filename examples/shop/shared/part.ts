import { DurableObject } from 'cloudflare:workers'
import {
  ObjectOutbox,
  oncePerDeliveryInObject,
  ParleyServer,
  readSigned,
  responseOf,
  sagaCallOf,
  SagaCalls,
  type SagaAnswer,
  type SagaCall,
  type StepStatus,
} from '../../../sdk/server.ts'
import {
  type ConsumedEvent,
  consumedShape,
  type Order,
  type ShopEventType,
  type StepInput,
  stepShape,
  topic,
} from './order.ts'

/** What every part is configured with. */
export interface PartEnv {
  readonly PARLEY_URL: string
  readonly PARLEY_API_KEY: string
  /** The secrets of the part's consumer and of the tenant's sagas, with spaces between them. */
  readonly WEBHOOK_SECRETS: string
}

/** A part could not find out whether what it was asked for has happened; it is asked again. */
export class NotKnown extends Error {}

/** A part could not do what it was asked for now, and nothing of it has happened. */
export class NotNow extends Error {
  readonly retryAfterSeconds: number

  constructor(message: string, retryAfterSeconds: number) {
    super(message)
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/**
 * What the parts of the shop have in common. A part is one Durable Object with its own SQLite. It changes its data in three ways: by
 * an event of another part (`onEvent`), by a step of a saga (`onStep`), and by its own requests (`onRequest`). What it
 * publishes goes through its outbox.
 */
export abstract class Part<Env extends PartEnv = PartEnv> extends DurableObject<Env> {
  protected readonly calls: SagaCalls
  protected readonly outbox: ObjectOutbox
  protected readonly parley: ParleyServer

  constructor(ctx: DurableObjectState, env: Env, schema: string) {
    super(ctx, env)
    ctx.storage.sql.exec(schema)
    this.parley = new ParleyServer({ url: env.PARLEY_URL, apiKey: env.PARLEY_API_KEY })
    this.calls = new SagaCalls(ctx.storage)
    this.outbox = new ObjectOutbox(ctx.storage, this.parley)
  }

  /** The part's name, which is the source of its events. */
  protected abstract readonly partName: string

  /** Handles an event: within `once`, so that a delivery that comes again has no effect. */
  protected abstract onEvent(event: ConsumedEvent, delivery: string): void | Promise<void>

  /** Handles the call of a step, of a compensation, or a status call. Undefined for a step that the part does not have. */
  protected abstract onStep(
    step: string,
    call: SagaCall,
    input: StepInput,
  ): SagaAnswer | undefined | Promise<SagaAnswer | undefined>

  /** Handles requests of customers. */
  protected abstract onRequest(method: string, path: string, request: Request): Response | Promise<Response>

  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url)
    const step = /^\/saga\/([\w-]+)$/.exec(pathname)?.[1]
    try {
      if (step === undefined && pathname !== '/events') return await this.onRequest(request.method, pathname, request)
      const signed = await readSigned(request, this.env.WEBHOOK_SECRETS.split(' '))
      if (signed === undefined) return problem(401, 'the signature is wrong')
      if (step === undefined) {
        await this.onEvent(consumedShape.parse(JSON.parse(signed.text)), signed.id)
        return new Response(null, { status: 204 })
      }
      const call = sagaCallOf(request.headers)
      if (call === undefined) return problem(400, 'this is not the call of a saga')
      const answer = await this.onStep(step, call, stepShape.parse(JSON.parse(signed.text)))
      return answer === undefined ? problem(404, `there is no step ${step}`) : responseOf(answer)
    } catch (thrown) {
      if (thrown instanceof NotNow) return problem(503, thrown.message, thrown.retryAfterSeconds)
      if (thrown instanceof NotKnown) return problem(504, thrown.message)
      throw thrown
    }
  }

  override async alarm(): Promise<void> {
    await this.outbox.relay()
  }

  /** Makes the effect of a delivery, once. What it changes and what it publishes are committed together. */
  protected once(delivery: string, effect: () => void): void {
    oncePerDeliveryInObject(this.ctx.storage, delivery, effect)
  }

  /** Publishes an event about an order. The same event of an order is published once. */
  protected publish(type: ShopEventType, order: Order, reason?: string): void {
    const data = reason === undefined ? { order } : { order, reason }
    this.outbox.publish(topic, { source: `/${this.partName}`, id: `${type}/${order.id}`, type, key: order.id, data })
  }

  protected rows(query: string, ...values: (string | number | null)[]) {
    return this.ctx.storage.sql.exec(query, ...values).toArray()
  }
}

/** The answer of a step that is done, with its result. */
export const done = (result: object = {}): SagaAnswer => ({ status: 200, body: result })

/** The answer of a step that is refused for good. 409 would say that the effect may be there already. */
export const refused = (reason: string): SagaAnswer => ({ status: 422, body: { error: reason } })

export const statusAnswer = (status: StepStatus): SagaAnswer => ({ status: 200, body: status })

export const problem = (status: number, error: string, retryAfterSeconds?: number): Response =>
  responseOf({ status, body: { error }, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) })
