import { loadConfig } from '../../src/config.ts'
import type { Conversation } from '../../src/conversations/types.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { AlarmTasks } from '../shared/alarm-tasks.ts'
import type { Alarm } from '../shared/open-place.ts'
import { Parking } from '../shared/parking.ts'
import type { ConversationStore } from './conversation-store.ts'
import { interruptSilent, type Executes } from './streaming-store.ts'

/** How long entries gather at least before they are written to Postgres, in milliseconds. */
export const gatherMs = 500
/** Between two calls of the Activity actor, in milliseconds: what happens meanwhile is merged. */
const burstMs = 500
/** After this time the alarm looks whether a moved cursor was reported, since the actor may have ended before. */
const lookAfterMs = 10_000

/** What a conversation does after it has answered. */
export class ConversationTasks {
  readonly #store: () => ConversationStore
  readonly #tailEntries: number
  readonly #parking: Parking
  readonly alarm: AlarmTasks

  /** `name` is that of the actor. `store` may change: a conversation that is created has another one. */
  constructor(alarm: Alarm, name: string, env: Env, store: () => ConversationStore, actor: Executes) {
    this.#store = store
    this.#tailEntries = loadConfig(env).tailEntries
    this.#parking = new Parking(env, name)
    this.alarm = new AlarmTasks(alarm, [
      {
        name: 'projection',
        isPending: () => this.#isPending(({ projection }, conversation) => projection.isPending(conversation)),
        run: () => this.#parking.run('projection', store().projection.attempts, () => this.#project()),
        parkedUntil: () => store().projection.attempts.parkedUntil,
        dueAt: () => {
          const { conversation, projection } = store()
          return conversation === undefined ? 0 : projection.dueAt(conversation)
        },
      },
      {
        name: 'inboxes',
        isPending: () => this.#isPending(({ inboxUpdater }, conversation) => inboxUpdater.isPending(conversation)),
        run: () => this.#parking.run('inboxes', store().inboxUpdater.attempts, () => this.updateInboxes()),
        parkedUntil: () => store().inboxUpdater.attempts.parkedUntil,
      },
      {
        name: 'activity',
        isPending: () => store().activity.isPending(),
        run: () => store().activity.run(),
        everyMs: burstMs,
      },
      {
        name: 'events',
        isPending: () => this.#isPending(({ publisher }, conversation) => publisher.isPending(conversation)),
        run: () => this.#publish(),
        dueAt: () => 0,
      },
      {
        name: 'notices',
        isPending: () => this.#isPending(({ notifier }, conversation) => notifier.isPending(conversation)),
        run: () => store().notifier.run(),
        dueAt: () => {
          const { conversation, notifier } = store()
          return conversation === undefined ? 0 : notifier.dueAt(conversation)
        },
      },
      {
        name: 'kept messages',
        isPending: () => this.#isPending(({ messages }) => messages.kept.nextEnd < Infinity),
        run: async () => store().messages.kept.purge(systemClock.now()),
        dueAt: () => store().messages.kept.nextEnd,
      },
      {
        name: 'cached pages',
        isPending: () => store().cachedPages.isPending(),
        run: () => store().cachedPages.run(),
      },
      {
        name: 'uploads',
        isPending: () => this.#isPending(({ sweeper }) => sweeper.isPending()),
        run: () => store().sweeper.run(),
        dueAt: () => store().sweeper.dueAt(),
      },
      {
        name: 'streaming messages',
        isPending: () => store().messages.isStreaming,
        run: () => interruptSilent(store(), actor),
        dueAt: () => store().messages.streaming.endsAt() ?? 0,
      },
    ])
  }

  /** A cursor moved: sets the alarm, in case the actor ends before that is reported. */
  lookLater(): void {
    this.alarm.schedule(systemClock.now(), lookAfterMs)
  }

  /** The conversation begins: sets the alarm for when it is written to Postgres. Its first messages then need none of their own. */
  begun(): void {
    this.alarm.scheduleGathering(systemClock.now(), gatherMs)
  }

  /** The conversation changed: everything pending runs in the next event. */
  runNext(): void {
    this.alarm.schedule(systemClock.now(), 0)
  }

  /** Has the rows of the conversation in Postgres made again from its log. */
  rebuild(): void {
    const { conversation, projection } = this.#store()
    if (conversation === undefined) return
    projection.rebuild()
    this.runNext()
  }

  /** The alarm rang. */
  async run(): Promise<void> {
    const { conversation, projection, inboxUpdater } = this.#store()
    if (conversation === undefined) return
    const now = systemClock.now()
    await Promise.all([
      this.#parking.report('projection', projection.attempts, now),
      this.#parking.report('inboxes', inboxUpdater.attempts, now),
      this.alarm.run(now, gatherMs),
    ])
    const store = this.#store()
    if (store.activity.isUpToDate) store.members.settle(store.conversation?.version ?? 0)
  }

  async updateInboxes(): Promise<void> {
    const { inboxUpdater, conversation } = this.#store()
    if (conversation !== undefined) await inboxUpdater.run(() => this.#store().conversation ?? conversation)
  }

  async #publish(): Promise<void> {
    const { publisher, conversation } = this.#store()
    if (conversation !== undefined) await publisher.run(() => this.#store().conversation ?? conversation)
  }

  async #project(): Promise<void> {
    const { projection, conversation, cachedPages } = this.#store()
    if (conversation === undefined) return
    await projection.run(() => this.#store().conversation ?? conversation)
    // A moment later, so that a reader that read a page just before it was changed has put it into the cache by then.
    if (cachedPages.isPending()) this.alarm.schedule(systemClock.now(), gatherMs)
    this.#store().prune(this.#tailEntries)
  }

  #isPending(asks: (store: ConversationStore, conversation: Conversation) => boolean): boolean {
    const store = this.#store()
    return store.conversation !== undefined && asks(store, store.conversation)
  }
}
