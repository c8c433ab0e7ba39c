import type { Env } from '../../src/env.ts'
import type { Job } from '../../src/jobs/model/job.ts'
import { encodeJob, toView } from '../../src/jobs/model/view.ts'
import type { QueueReference } from '../../src/jobs/queue/worker-runs.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'
import { jobChannel } from '../../src/protocol/channels.ts'
import { refuse } from '../../src/protocol/errors.ts'
import type { StreamAnswer, StreamCall, StreamCommand, StreamResult, StreamUpdate } from '../../src/protocol/stream.ts'
import { gatewayNamed } from '../address.ts'

/** The channel of a job has no history: a subscriber is given the job as it is, then each change. */
const epoch = 'now'

/** One change of a job for one gateway, and the request that made it. */
interface Progress {
  readonly gateway: string
  readonly channel: string
  readonly update: StreamUpdate
  readonly request: RequestContext | undefined
}

/** The progress of the jobs of one queue, for the users each job names as watchers. */
export class JobStream {
  readonly #env: Env
  readonly #sql: SqlStorage
  readonly #at: QueueReference

  constructor(env: Env, sql: SqlStorage, at: QueueReference) {
    this.#env = env
    this.#sql = sql
    this.#at = at
  }

  execute(call: StreamCall, find: (id: string) => Job | undefined, job: string): StreamAnswer {
    const results = call.commands.map((command) => this.#apply(call.gateway, command, job, find(job)))
    return { update: { epoch, after: 0, publications: [], events: [] }, behind: false, results }
  }

  /** Publishes jobs to the gateways with subscribers. One that cannot be reached misses a change; the next one brings it up to date. */
  async publish(jobs: readonly Job[], request?: RequestContext): Promise<void> {
    await Promise.all(jobs.map((job) => this.#publishOne(job, request)))
  }

  /** Deletes the subscriptions of deleted jobs: a gateway that died did not unsubscribe. */
  forget(): void {
    const sql = 'DELETE FROM listeners WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = substr(channel, ?))'
    this.#sql.exec(sql, jobChannel(this.#at.queue, '').length + 1)
  }

  async #publishOne(job: Job, request: RequestContext | undefined): Promise<void> {
    const channel = jobChannel(this.#at.queue, job.id)
    const update: StreamUpdate = {
      epoch,
      after: 0,
      publications: [],
      events: [{ kind: 'pub', data: encodeJob(toView(job)) }],
    }
    await Promise.all(this.#gateways(channel).map((gateway) => this.#publishTo({ gateway, channel, update, request })))
  }

  async #publishTo({ gateway, channel, update, request }: Progress): Promise<void> {
    try {
      const isSubscribed = await gatewayNamed(this.#env, gateway).publish({
        tenant: this.#at.tenant,
        channel,
        ...update,
      })
      if (!isSubscribed) this.#drop(channel, gateway)
    } catch (thrown) {
      log.warn('jobs.progress-failed', { ...idsOf(request), gateway, reason: reasonOf(thrown) })
    }
  }

  #apply(gateway: string | null, command: StreamCommand, id: string, job: Job | undefined): StreamResult {
    const channel = jobChannel(this.#at.queue, id)
    if (command.kind === 'leave') {
      if (command.last && gateway !== null) this.#drop(channel, gateway)
      return { kind: 'done', data: '{}' }
    }
    if (command.kind !== 'subscribe' || job?.options.watchers.includes(command.user) !== true)
      return refuse('permissionDenied')
    if (gateway !== null)
      this.#sql.exec('INSERT OR IGNORE INTO listeners (channel, gateway) VALUES (?, ?)', channel, gateway)
    return {
      kind: 'subscribed',
      epoch,
      offset: 0,
      top: 0,
      wasRecovering: command.since !== undefined,
      recovered: command.since !== undefined,
      publications: [],
      data: encodeJob(toView(job)),
    }
  }

  #gateways(channel: string): string[] {
    const sql = 'SELECT gateway FROM listeners WHERE channel = ?'
    return this.#sql
      .exec<{ gateway: string }>(sql, channel)
      .toArray()
      .map(({ gateway }) => gateway)
  }

  #drop(channel: string, gateway: string): void {
    this.#sql.exec('DELETE FROM listeners WHERE channel = ? AND gateway = ?', channel, gateway)
  }
}
