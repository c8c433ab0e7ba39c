import { pageOf, pageOfListed } from '../../src/activity/listed-page.ts'
import { listedStateNow } from '../../src/activity/read-state-now.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import {
  activityNumberOf,
  bucketOf,
  type ActivityRow,
  type ConversationActivity,
  type NewestQuery,
  type ReadState,
} from '../../src/events/activity.ts'
import { toEvent, type InboxEntry } from '../../src/inbox/entry.ts'
import { clocksDifferMs } from '../../src/inbox/recent-inboxes.ts'
import { needsCounts, toListItem, withActivity, type ListCursor, type ListItem } from '../../src/inbox/list.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'
import { within } from '../../src/kernel/retry.ts'
import { activityOf } from '../address.ts'
import { callConversation } from '../open-actors.ts'
import type { EntryTable } from './entry-table.ts'

/** How long the Activity actors, and then the conversations, may take for one list, in milliseconds. */
const rowsMs = 1000
const statesMs = 1500
/** Conversations asked at the same time. */
const askedAtOnce = 8
/** Changed conversations sent to a returning client; beyond it the client asks for the list. */
export const maxChanges = 500

/** Calls of an Activity actor for one list, within its time. */
const attempts = 3

/** Asks again after a call that was lost: without its answer the list shows counts of an earlier moment, which nothing corrects. */
async function repeated<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (thrown) {
      if (attempt === attempts) throw thrown
    }
  }
}

/** One page of the list; `last` is where the next one begins. */
export interface ListPage {
  readonly items: readonly ListItem[]
  readonly last: ListCursor | undefined
}

/**
 * A user's conversations as they stand now: the entries of the inbox, brought up to date with the rows of the tenant's Activity
 * actors, and where these do not reach back with the conversation's answer, which is kept in the entry. Where an actor cannot
 * be reached in time the entry alone is shown: counts of an earlier moment.
 */
export class ConversationList {
  readonly #env: Env
  readonly #tenant: string
  readonly #user: string
  readonly #entries: EntryTable
  readonly #request: RequestContext | undefined

  constructor(env: Env, tenant: string, user: string, entries: EntryTable, request?: RequestContext) {
    this.#env = env
    this.#tenant = tenant
    this.#user = user
    this.#entries = entries
    this.#request = request
  }

  /** The conversations of `limit` lines after the cursor, newest activity first. */
  async page(cursor: ListCursor | undefined, limit: number): Promise<ListPage> {
    const before = cursor === undefined ? undefined : ([cursor.at, cursor.conversation] as const)
    const parts = await this.#eachActor(this.#entries.listed(), async (number, listed) => {
      const [conversations, times] = [[...listed.keys()], [...listed.values()]]
      const query = { user: this.#user, conversations, times, before, limit: limit + 1 }
      try {
        return await within(
          rowsMs,
          'rows',
          repeated(() => this.#newest(number, query)),
        )
      } catch (thrown) {
        this.#warn('inbox.activity-unreachable', thrown)
        return pageOfListed(query)
      }
    })
    const rows = parts.length === 1 ? (parts[0] ?? []) : pageOf(parts.flat(), before, limit + 1)
    const page = rows.slice(0, limit)
    const stored = this.#entries.some(page.map(({ conversation }) => conversation))
    const current = await this.#upToDate(page, stored)
    const last = rows.length > limit ? page.at(-1) : undefined
    return {
      items: page.flatMap(({ conversation, at }) => {
        const entry = current.get(conversation) ?? stored.get(conversation)
        return entry === undefined ? [] : [toListItem(entry, at)]
      }),
      last,
    }
  }

  /**
   * The `unread` events of conversations that changed since then, in milliseconds since the epoch, for clocks that differ by
   * eleven minutes; undefined when there are too many. Throws when an Activity actor cannot be reached.
   */
  async changes(since: number): Promise<readonly string[] | undefined> {
    const parts = await this.#eachActor(this.#entries.listed(), async (number, listed) => {
      const query = {
        kind: 'changed',
        user: this.#user,
        conversations: [...listed.keys()],
        limit: maxChanges + 1,
      } as const
      const asked = activityOf(this.#env, this.#tenant, number).rows({ ...query, since: since - clocksDifferMs })
      return await within(rowsMs, 'rows', asked)
    })
    const rows = parts.flat()
    if (rows.length > maxChanges) return undefined
    const stored = this.#entries.some(rows.map(({ conversation }) => conversation))
    const current = await this.#upToDate(rows, stored)
    return [...current.values()].map(toEvent)
  }

  /** The buckets of all conversations, ascending. */
  buckets(): number[] {
    return [...new Set([...this.#entries.listed().keys()].map(bucketOf))].toSorted((a, b) => a - b)
  }

  /** An Activity actor of the version before knows `rows` only. */
  async #newest(number: number, query: NewestQuery): Promise<readonly ActivityRow[]> {
    const actor = activityOf(this.#env, this.#tenant, number)
    try {
      return await actor.newest(query)
    } catch (thrown) {
      if (!/does not implement|is not a function/.test(reasonOf(thrown))) throw thrown
      const conversations = query.conversations.map((id, place) => [id, query.times[place] ?? 0] as const)
      return await actor.rows({ ...query, kind: 'newest', conversations })
    }
  }

  async #eachActor<T>(
    listed: ReadonlyMap<string, number>,
    ask: (number: number, listed: ReadonlyMap<string, number>) => Promise<T>,
  ): Promise<T[]> {
    if (listed.size === 0) return []
    const actors = loadConfig(this.#env).activityActors(this.#tenant)
    if (actors === 1) return [await ask(0, listed)]
    const byActor = Map.groupBy(listed, ([id]) => activityNumberOf(bucketOf(id), actors))
    return await Promise.all([...byActor].map(([number, theirs]) => ask(number, new Map(theirs))))
  }

  /** The entries of these rows as the conversations stand now; without those that could not be asked, or that the user left. */
  async #upToDate(
    rows: readonly ActivityRow[],
    stored: ReadonlyMap<string, InboxEntry>,
  ): Promise<ReadonlyMap<string, InboxEntry>> {
    const current = new Map<string, InboxEntry>()
    const unknown: string[] = []
    for (const { conversation, activity } of rows) {
      const entry = stored.get(conversation)
      if (entry === undefined) continue
      const state = activity === undefined ? undefined : listedStateNow(activity, this.#user, entry)
      if (activity !== undefined && state !== undefined) current.set(conversation, withActivity(entry, activity, state))
      else if (activity !== undefined || needsCounts(entry)) unknown.push(conversation)
      else current.set(conversation, entry)
    }
    if (unknown.length > 0) for (const [id, entry] of await this.#ask(unknown)) current.set(id, entry)
    return current
  }

  /** Asks conversations for the user's state, a few at a time and until the deadline, and keeps what they answer. */
  async #ask(conversations: readonly string[]): Promise<ReadonlyMap<string, InboxEntry>> {
    const answered = new Map<string, InboxEntry>()
    const waiting = [...conversations]
    const askNext = async () => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        const entry = await this.#askOne(id)
        if (entry !== undefined) answered.set(id, entry)
      }
    }
    const asking = Promise.all(Array.from({ length: askedAtOnce }, askNext))
    await within(statesMs, 'readStates', asking).catch((thrown: unknown) => this.#warn('inbox.states-unknown', thrown))
    waiting.length = 0
    return new Map(answered)
  }

  async #askOne(conversation: string): Promise<InboxEntry | undefined> {
    try {
      const answer = await callConversation(this.#env, this.#tenant, conversation, (asked) =>
        asked.readStates([this.#user]),
      )
      const state = answer?.states.find(({ user }) => user === this.#user)
      // No member any more: the inbox is about to be updated.
      if (answer === undefined || state === undefined) return undefined
      const { last, number, read, unread, mentions } = state
      return this.#keep(conversation, answer.activity, { last, number, read, unread, mentions })
    } catch (thrown) {
      this.#warn('inbox.conversation-unreachable', thrown)
      return undefined
    }
  }

  #keep(conversation: string, activity: ConversationActivity, state: ReadState): InboxEntry | undefined {
    const entry = this.#entries.get(conversation)
    if (entry === undefined || entry.removed || state.last < entry.last || state.read < entry.read) return entry
    const kept = withActivity(entry, activity, state)
    this.#entries.put(kept)
    return kept
  }

  #warn(event: string, thrown: unknown): void {
    log.warn(event, { ...idsOf(this.#request), tenant: this.#tenant, reason: reasonOf(thrown) })
  }
}
