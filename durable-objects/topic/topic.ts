import { systemClock } from '../../src/kernel/clock.ts'
import type { Ready } from '../../src/kernel/ready.ts'
import { historyWindow, pageBounds } from '../../src/protocol/history-window.ts'
import { fitting } from '../../src/protocol/answer-size.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { refuse } from '../../src/protocol/errors.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { missedBetween } from '../../src/protocol/recover.ts'
import type {
  HistoryAnswer,
  HistoryQuery,
  StreamAnswer,
  StreamCall,
  StreamCommand,
  StreamUpdate,
  TopicRules,
} from '../../src/protocol/stream.ts'
import type { Presence, PresenceForm } from '../../src/realtime/presence-table.ts'
import { decideRetention } from '../../src/topics/retention.ts'
import { RecentPublishes } from '../../src/topics/recent-publishes.ts'
import { applyCommands, type AppliedCommands } from '../../src/topics/apply-commands.ts'
import { keptMs } from './publish-keys.ts'
import { TopicStore, type TopicContext } from './topic-store.ts'
import { log as logger, reasonOf } from '../../src/kernel/log.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName } from '../address.ts'
import { ListedName } from '../shared/listed-name.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import type { TopicRpc } from '../contracts.ts'

/** How soon after a publication the alarm checks whether it was delivered. */
const remindMs = 5000

/**
 * One plain topic of a tenant: passes publications on to its subscribers, and keeps as many of them as its namespace
 * says. Permissions were checked where the caller's token is known; a topic knows no users.
 */
export class Topic extends TenantActor implements TopicRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'topic')
  readonly #context: TopicContext = { ctx: this.ctx, env: this.env, emptied: () => this.#noteIdle() }
  #store = TopicStore.open(this.#context)
  readonly #name = new ListedName(this.ctx, this.env, 'Topic')
  readonly #recent = new RecentPublishes()
  #armedFor = Infinity
  /** Whether this instance knows that no alarm of an earlier one is due before its own. */
  #knowsAlarm = false
  /** Whether this instance announced the stream's position to its subscribers. */
  #hasPublished = false

  /** Runs the commands of one gateway, or of the tenant's server, in order; the answer leaves once they are durable. */
  execute(call: StreamCall): StreamAnswer {
    this.#store.learn(call.rules)
    if (this.#mustKeep(call)) this.#create()
    const before = this.#store.log.top()
    const applied = this.#apply(call)
    this.#store.subscribers.note(call, applied.results)
    this.#store.subscribers.publish(this.#update(applied, before), call.gateway, call.request)
    if (applied.publications.length > 0) this.#notePublished(call.gateway)
    // Where nothing else is kept, no other call would drop them.
    if (call.commands.some(hasKey)) this.#tidyBy(this.#clock.now() + keptMs)
    return this.#answer(call, applied, before)
  }

  /** A page of the stored publications, and the position of the stream. */
  history(rules: TopicRules, query: HistoryQuery): HistoryAnswer {
    this.#store.learn(rules)
    if (this.#store.rules.historySize === 0) return refuse('notAvailable', 'this namespace keeps no history')
    const { epoch, log } = this.#store
    const top = log.top()
    const read = historyWindow(query, { epoch, top })
    if (read.kind === 'refused') return read

    const floor = log.floor(this.#clock.now())
    const { first, last } = pageBounds({ ...read.window, after: Math.max(read.window.after, floor - 1) })
    const held = log.range(Math.max(first, floor) - 1, last, sizes.historyPage)
    const publications = fitting(query.reverse ? held.toReversed() : held)
    return { kind: 'page', epoch, top, publications, amendments: [] }
  }

  /** Deletes the history; its offsets are not used again. */
  removeHistory(): void {
    this.#store.log.clear()
  }

  /** The connections that are subscribed now, or how many there are. */
  presence(form: PresenceForm): Ready<Presence> {
    return this.#store.subscribers.presence.read(form)
  }

  override async alarm(): Promise<void> {
    this.#place.used()
    this.#armedFor = Infinity
    this.#knowsAlarm = true
    if (!this.#store.exist || !(await this.#isListed())) return
    this.#announcePosition()
    const now = this.#clock.now()
    const held = [this.#store.log.expire(now), this.#store.keys.expire(now)].filter((at) => at !== undefined)
    if (held.length === 0) this.#noteSilence(now)
    const chore = decideRetention({
      now,
      expiresAt: held.length === 0 ? undefined : Math.min(...held),
      hasSubscribers: this.#store.subscribers.size > 0,
      keepsHistory: this.#store.rules.historySize > 0,
      idleSince: this.#store.settings.number('idleSince'),
    })
    if (chore.kind === 'again') this.#tidyBy(chore.at)
    if (chore.kind === 'forget') await this.#forget()
  }

  #apply({ commands }: StreamCall): AppliedCommands {
    const { epoch, rules, log, keys, version } = this.#store
    return applyCommands({ epoch, rules, log, keys, version, recent: this.#recent, now: this.#clock.now() }, commands)
  }

  /** An ephemeral publication needs no disk; a subscriber does, since it must still be served after a restart. */
  #mustKeep({ gateway, have, commands }: StreamCall): boolean {
    const keeps = this.#store.rules.historySize > 0
    if (gateway !== null && have !== null) return true
    return commands.some(
      (command) =>
        (command.kind === 'subscribe' && (keeps || gateway !== null)) ||
        (command.kind === 'publish' && keeps) ||
        hasKey(command),
    )
  }

  /**
   * Old entries have to go in time, and subscribers to hear of new ones, also if this instance ends before they were
   * notified.
   */
  #notePublished(except: string | null): void {
    const { subscribers, rules } = this.#store
    const now = this.#clock.now()
    this.#hasPublished = true
    this.#tidyBy(now + rules.historyTtlSeconds * 1000)
    if (subscribers.reachesBeyond(except)) this.#tidyBy(now + remindMs)
  }

  /**
   * An earlier instance may have died between writing and publishing: a gateway that misses something then asks for it.
   */
  #announcePosition(): void {
    const { subscribers, log, epoch } = this.#store
    if (!this.#hasPublished && epoch !== '' && log.top() > 0) subscribers.announcePosition(epoch, log.top())
    this.#hasPublished = true
  }

  /** What the caller lacks travels with its answer; other gateways are called. */
  #answer({ have }: StreamCall, applied: AppliedCommands, before: number): StreamAnswer {
    const { log, epoch } = this.#store
    const after = epoch === '' ? before : (have ?? before)
    const { behind, entries } = missedBetween({ after, before, floor: log.floor(this.#clock.now()) }, () =>
      log.range(after, before, sizes.recovered),
    )
    const update = this.#update(applied, behind ? before : after)
    return {
      update: { ...update, publications: [...entries, ...update.publications] },
      behind,
      results: applied.results,
    }
  }

  /** Where nothing is kept, every publication has offset 0, whatever the log once counted. */
  #update({ publications, events: signals }: AppliedCommands, after: number): StreamUpdate {
    const { epoch } = this.#store
    return { epoch, after: epoch === '' ? 0 : after, publications, events: signals }
  }

  /**
   * The first alarm of a topic that keeps something has its name listed; where that fails, one of a few seconds later. False when the
   * topic is gone with its tenant.
   */
  async #isListed(): Promise<boolean> {
    if (this.#store.settings.get('listed') !== undefined) return true
    try {
      const serial = await this.#name.note()
      if (serial === 0) return false
      this.#store.settings.set('listed', serial)
    } catch (thrown) {
      logger.warn('topics.unlisted', { topic: this.ctx.id.name, reason: reasonOf(thrown) })
      this.#tidyBy(this.#clock.now() + remindMs)
    }
    return true
  }

  #create(): void {
    if (this.#store.exist) return
    requireTenant(ownName(this.ctx.id.name).tenant)
    this.#store = TopicStore.create(this.#context, this.#store)
    this.#noteIdle()
  }

  #noteIdle(): void {
    if (!this.#store.exist) return
    const now = this.#clock.now()
    this.#store.settings.set('idleSince', now)
    const keepsHistory = this.#store.rules.historySize > 0
    const chore = decideRetention({ now, expiresAt: undefined, hasSubscribers: false, keepsHistory, idleSince: now })
    if (chore.kind === 'again') this.#tidyBy(chore.at)
  }

  /** All entries have expired by now: from here on the topic is idle, unless it was already. */
  #noteSilence(now: number): void {
    const { settings, log } = this.#store
    if (settings.number('idleTop') === log.top()) return
    settings.set('idleTop', log.top())
    settings.set('idleSince', now)
  }

  /**
   * The earliest requested time counts; expired entries are not returned, however late the alarm is. An earlier
   * instance may have set an alarm that must not be postponed: the first one of this instance comes soon enough for it.
   */
  #tidyBy(at: number): void {
    const soon = this.#knowsAlarm ? at : Math.min(at, this.#clock.now() + remindMs)
    if (this.#armedFor <= soon) return
    this.#armedFor = soon
    void this.#place.alarm.setAlarm(soon)
  }

  async #forget(): Promise<void> {
    const serial = this.#store.settings.number('listed')
    await this.ctx.storage.deleteAll()
    this.#store = TopicStore.open(this.#context)
    if (serial > 0) await this.#name.forget(serial)
  }
}

const hasKey = (command: StreamCommand): boolean => command.kind === 'publish' && command.idempotencyKey !== undefined
