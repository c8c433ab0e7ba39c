import type { Env } from '../../src/env.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { sagaChannel } from '../../src/protocol/channels.ts'
import { refuse } from '../../src/protocol/errors.ts'
import type { Publication } from '../../src/protocol/replies.ts'
import type { StreamAnswer, StreamCall, StreamCommand, StreamResult } from '../../src/protocol/stream.ts'
import { historyAfter } from '../../src/sagas/interventions.ts'
import type { HistoryEntry, Run } from '../../src/sagas/run.ts'
import { viewOf } from '../../src/sagas/view.ts'
import { gatewayNamed } from '../address.ts'

/** The history of runs as channels, for the users each run names as watchers: an entry's number is its offset. */
export class RunStream {
  readonly #env: Env
  readonly #sql: SqlStorage
  readonly #tenant: string

  constructor(env: Env, sql: SqlStorage, tenant: string) {
    this.#env = env
    this.#sql = sql
    this.#tenant = tenant
  }

  execute(call: StreamCall, run: Run | undefined, id: string): StreamAnswer {
    const results = call.commands.map((command) => this.#apply(call.gateway, command, run, id))
    const after = call.have ?? run?.entries ?? 0
    const missed = run === undefined ? [] : (historyAfter(run, after) ?? run.history)
    return {
      update: { epoch: epochOf(run), after, publications: missed.map(publicationOf), events: [] },
      behind: false,
      results,
    }
  }

  /** Publishes the entries after `entriesBefore`. A gateway that cannot be reached gets them with the next ones. */
  async publish(run: Run, entriesBefore: number): Promise<void> {
    if (run.entries === entriesBefore || run.watchers.length === 0) return
    const channel = sagaChannel(run.id)
    const publications = (historyAfter(run, entriesBefore) ?? run.history).map(publicationOf)
    const update = { epoch: epochOf(run), after: entriesBefore, publications, events: [] }
    await Promise.all(
      this.#gateways(channel).map(async (gateway) => {
        try {
          const isSubscribed = await gatewayNamed(this.#env, gateway).publish({
            tenant: this.#tenant,
            channel,
            ...update,
          })
          if (!isSubscribed) this.#drop(channel, gateway)
        } catch (thrown) {
          log.warn('sagas.progress-failed', { tenant: this.#tenant, gateway, reason: reasonOf(thrown) })
        }
      }),
    )
  }

  /** Deletes the subscriptions to a run that is deleted. */
  forget(id: string): void {
    this.#sql.exec('DELETE FROM listeners WHERE channel = ?', sagaChannel(id))
  }

  #apply(gateway: string | null, command: StreamCommand, run: Run | undefined, id: string): StreamResult {
    const channel = sagaChannel(id)
    if (command.kind === 'leave') {
      if (command.last && gateway !== null && run !== undefined) this.#drop(channel, gateway)
      return { kind: 'done', data: '{}' }
    }
    if (command.kind !== 'subscribe' || run?.watchers.includes(command.user) !== true) return refuse('permissionDenied')
    if (gateway !== null)
      this.#sql.exec('INSERT OR IGNORE INTO listeners (channel, gateway) VALUES (?, ?)', channel, gateway)
    const { since } = command
    const missed = since === undefined || since.epoch !== epochOf(run) ? undefined : historyAfter(run, since.offset)
    return {
      kind: 'subscribed',
      epoch: epochOf(run),
      offset: missed === undefined ? run.entries : (since?.offset ?? run.entries),
      top: run.entries,
      wasRecovering: since !== undefined,
      recovered: missed !== undefined,
      publications: (missed ?? []).map(publicationOf),
      data: JSON.stringify(viewOf(run)),
    }
  }

  #gateways(channel: string): string[] {
    return this.#sql
      .exec<{ gateway: string }>('SELECT gateway FROM listeners WHERE channel = ?', channel)
      .toArray()
      .map(({ gateway }) => gateway)
  }

  #drop(channel: string, gateway: string): void {
    this.#sql.exec('DELETE FROM listeners WHERE channel = ? AND gateway = ?', channel, gateway)
  }
}

/** A run of the same id that was deleted and started anew has another history. */
const epochOf = (run: Run | undefined): string => (run === undefined ? '' : run.startedAt.toString(36))

const publicationOf = (entry: HistoryEntry): Publication => ({ offset: entry.n, data: JSON.stringify(entry) })
