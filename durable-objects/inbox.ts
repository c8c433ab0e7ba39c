import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../src/env.ts'
import { decideAdvance, decideRemoval, toEvent, type InboxEntry, type InboxNews } from '../src/inbox/entry.ts'
import { decodeCursor, encodeCursor, toListItem, type ListItem } from '../src/inbox/list.ts'
import { decidePass } from '../src/inbox/pass.ts'
import { systemClock } from '../src/kernel/clock.ts'
import { randomToken } from '../src/kernel/id.ts'
import { inboxChannel } from '../src/protocol/channels.ts'
import { refuse, type Refusal } from '../src/protocol/errors.ts'
import type { Publication } from '../src/protocol/replies.ts'
import type {
  Signal,
  StreamAnswer,
  StreamCall,
  StreamCommand,
  StreamResult,
  StreamUpdate,
} from '../src/protocol/stream.ts'
import { ownName } from './address.ts'
import { Audience } from './parts/audience.ts'
import { EntryTable } from './parts/entry-table.ts'
import { Facts } from './parts/facts.ts'
import { inboxSchema } from './schema/inbox.ts'
import { isUsed, migrate } from './schema/migrate.ts'

/** Changed conversations told to somebody who comes back; beyond it the client asks for the list. */
const recoveredEntries = 500

/** A page of the conversation list. */
export interface InboxPage {
  readonly kind: 'page'
  readonly conversations: readonly ListItem[]
  readonly next: string | null
}

/**
 * One user's conversations and their unread counts. Its stream keeps only the newest event of each conversation,
 * so that whoever comes back after any time hears what is, and not everything that was.
 */
export class Inbox extends DurableObject<Env> {
  readonly #clock = systemClock
  #books = this.#open(isUsed(this.ctx.storage.sql))
  /** Whether this life has said anything to its listeners. */
  #hasTold = false

  /** Runs the commands of a gateway: subscriptions, and leaving. Only a user at several gateways has to be counted. */
  execute(call: StreamCall): StreamAnswer | Promise<StreamAnswer> {
    this.#found()
    const { audience } = this.#books
    const somebodyComes = call.commands.some((command) => command.kind === 'subscribe' && command.pass !== undefined)
    if (!somebodyComes || !audience.reachesBeyond(call.gateway)) return this.#answer(call, 0)
    // Noted before anybody is asked, so that who comes elsewhere meanwhile is counted with those who come here.
    if (call.gateway !== null) audience.add(call.gateway)
    const { name: user } = ownName(this.ctx.id.name)
    return audience.connectionsElsewhere(user, call.gateway).then((elsewhere) => this.#answer(call, elsewhere))
  }

  /** Ends every session let in by a token issued until now, and keeps such tokens out. Returns that moment. */
  revoke(): number {
    this.#found()
    const now = this.#clock.now()
    this.#books.facts.set('revokedAt', now)
    const top = this.#books.entries.top()
    this.#books.audience.tell({ epoch: this.#epoch(), after: top, publications: [], signals: this.#signals() }, null)
    return now
  }

  /** The gateways that hold the user's connections. */
  gateways(): string[] {
    return this.#books.audience.gateways()
  }

  /** Tokens issued until then are void, in milliseconds since the epoch; -1 when none ever were revoked. */
  revokedAt(): number {
    return Number(this.#books.facts.get('revokedAt') ?? -1)
  }

  #answer(call: StreamCall, elsewhere: number): StreamAnswer {
    const results = call.commands.map((command) => this.#obey(call.gateway, command, elsewhere))
    const top = this.#books.entries.top()
    const missed = call.have === null ? [] : this.#books.entries.after(call.have, recoveredEntries + 1)
    const behind = missed.length > recoveredEntries
    const after = behind ? top : (call.have ?? top)
    const publications = behind ? [] : missed.map(toPublication)
    return { update: { epoch: this.#epoch(), after, publications, signals: this.#signals() }, behind, results }
  }

  /** A conversation tells where it stands. A repeat changes nothing. */
  advance(news: InboxNews): void {
    const known = this.#books.entries.get(news.conversation)
    const entry = decideAdvance(known, news, this.#books.entries.top() + 1)
    if (entry === undefined) this.#remind()
    else this.#write(entry)
  }

  /** The user is no longer in a conversation. */
  remove(conversation: string, version: number): void {
    const known = this.#books.entries.get(conversation)
    const entry = decideRemoval(known, version, this.#books.entries.top() + 1)
    if (entry === undefined) this.#remind()
    else this.#write(entry)
  }

  /** The conversation list, newest activity first. */
  list(cursor: string | undefined, limit: number): InboxPage | Refusal {
    const from = cursor === undefined ? undefined : decodeCursor(cursor)
    if (cursor !== undefined && from === undefined)
      return refuse('invalidPayload', 'cursor: not one of ours; leave it out to start over')
    const entries = this.#books.entries.list(from, limit + 1)
    const last = entries.length > limit ? entries[limit - 1] : undefined
    return {
      kind: 'page',
      conversations: entries.slice(0, limit).map(toListItem),
      next: last === undefined ? null : encodeCursor({ at: last.at, conversation: last.conversation }),
    }
  }

  /** Said with every answer, so that a gateway that was not reached hears of it with its next call. */
  #signals(): readonly Signal[] {
    const until = this.revokedAt()
    return until < 0 ? [] : [{ kind: 'revoked', until }]
  }

  #obey(gateway: string | null, command: StreamCommand, elsewhere: number): StreamResult {
    if (command.kind === 'leave') {
      if (command.last && gateway !== null) this.#books.audience.drop(gateway)
      return { kind: 'done', data: '{}' }
    }
    if (command.kind !== 'subscribe') return refuse('permissionDenied')
    const denied = decidePass(command.pass, { revokedAt: this.revokedAt(), elsewhere })
    if (denied !== undefined) return denied
    if (gateway !== null) this.#books.audience.add(gateway)
    return this.#subscribed(command)
  }

  #subscribed({ since }: Extract<StreamCommand, { kind: 'subscribe' }>): StreamResult {
    const epoch = this.#epoch()
    const top = this.#books.entries.top()
    const known = since !== undefined && (since.epoch === '' || since.epoch === epoch) && since.offset <= top
    const missed = known ? this.#books.entries.after(since.offset, recoveredEntries + 1) : []
    const recovered = known && missed.length <= recoveredEntries
    return {
      kind: 'subscribed',
      epoch,
      offset: recovered ? since.offset : top,
      top,
      wasRecovering: since !== undefined,
      recovered,
      publications: recovered ? missed.map(toPublication) : [],
      data: '{}',
    }
  }

  /** News that tells nothing new: whoever wrote it may have died before its listeners heard of it. */
  #remind(): void {
    if (!this.#hasTold) this.#books.audience.remind(this.#epoch(), this.#books.entries.top())
    this.#hasTold = true
  }

  #write(entry: InboxEntry): void {
    this.#hasTold = true
    this.#found()
    this.#books.entries.put(entry)
    const update: StreamUpdate = {
      epoch: this.#epoch(),
      after: entry.offset - 1,
      publications: [toPublication(entry)],
      signals: [],
    }
    this.#books.audience.tell(update, null)
  }

  /** Makes the tables and the stream's epoch, on the first write. */
  #found(): void {
    if (this.#books.facts.get('epoch') !== undefined) return
    this.#books = this.#open(true)
    this.#books.facts.set('epoch', randomToken(8))
  }

  #epoch(): string {
    return this.#books.facts.get('epoch') ?? ''
  }

  #open(exists: boolean) {
    const { sql } = this.ctx.storage
    if (exists) migrate(sql, inboxSchema)
    const { tenant, name } = ownName(this.ctx.id.name)
    return {
      facts: new Facts(sql, exists),
      entries: new EntryTable(sql, exists),
      audience: new Audience(this.env, sql, exists, { tenant, channel: inboxChannel(name) }),
    }
  }
}

const toPublication = (entry: InboxEntry): Publication => ({ offset: entry.offset, data: toEvent(entry) })
