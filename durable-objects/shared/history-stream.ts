import type { Env } from '../../src/env.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { refuse } from '../../src/protocol/errors.ts'
import type { Publication } from '../../src/protocol/replies.ts'
import type { StreamAnswer, StreamCall, StreamCommand, StreamResult } from '../../src/protocol/stream.ts'
import { gatewayNamed } from '../address.ts'

/** A history that users may follow: an entry's number is its offset. */
export interface WatchedHistory {
  readonly channel: string
  /** Another one for a history of the same channel that was begun anew. */
  readonly epoch: string
  /** The number of the newest entry. */
  readonly top: number
  readonly watchers: readonly string[]
  /** The entries after a number; undefined where they are not all kept. */
  readonly after: (n: number) => readonly Publication[] | undefined
  /** All entries that are kept. */
  readonly kept: () => readonly Publication[]
  /** JSON text of what a new subscriber is told. */
  readonly data: () => string
}

/** Histories of one actor as channels, for the users each names as watchers. Its subscriptions are rows of the table `listeners`. */
export class HistoryStream {
  readonly #env: Env
  readonly #sql: SqlStorage
  readonly #tenant: string

  constructor(env: Env, sql: SqlStorage, tenant: string) {
    this.#env = env
    this.#sql = sql
    this.#tenant = tenant
  }

  execute(call: StreamCall, channel: string, history: WatchedHistory | undefined): StreamAnswer {
    const results = call.commands.map((command) => this.#apply(call.gateway, command, channel, history))
    const after = call.have ?? history?.top ?? 0
    const missed = history === undefined ? [] : (history.after(after) ?? history.kept())
    return {
      update: { epoch: history?.epoch ?? '', after, publications: missed, events: [] },
      behind: false,
      results,
    }
  }

  /** Publishes the entries after `before`. A gateway that cannot be reached gets them with the next ones. */
  async publish(history: WatchedHistory, before: number): Promise<void> {
    if (history.top === before || history.watchers.length === 0) return
    const { channel, epoch } = history
    const publications = history.after(before) ?? history.kept()
    const update = { epoch, after: before, publications, events: [] }
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
          log.warn('watched-history.not-published', { tenant: this.#tenant, gateway, reason: reasonOf(thrown) })
        }
      }),
    )
  }

  /** Deletes the subscriptions to a history that is deleted. */
  forget(channel: string): void {
    this.#sql.exec('DELETE FROM listeners WHERE channel = ?', channel)
  }

  #apply(
    gateway: string | null,
    command: StreamCommand,
    channel: string,
    history: WatchedHistory | undefined,
  ): StreamResult {
    if (command.kind === 'leave') {
      if (command.last && gateway !== null && history !== undefined) this.#drop(channel, gateway)
      return { kind: 'done', data: '{}' }
    }
    if (command.kind !== 'subscribe' || history?.watchers.includes(command.user) !== true)
      return refuse('permissionDenied')
    if (gateway !== null)
      this.#sql.exec('INSERT OR IGNORE INTO listeners (channel, gateway) VALUES (?, ?)', channel, gateway)
    const { since } = command
    const { epoch, top } = history
    const missed = since === undefined || since.epoch !== epoch ? undefined : history.after(since.offset)
    return {
      kind: 'subscribed',
      epoch,
      offset: missed === undefined ? top : (since?.offset ?? top),
      top,
      wasRecovering: since !== undefined,
      recovered: missed !== undefined,
      publications: missed ?? [],
      data: history.data(),
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
