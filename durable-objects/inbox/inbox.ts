import { z } from 'zod'
import type { MissedPage } from '../../src/inbox/notes.ts'
import { decideAdvance, decideRemoval, toEvent, type InboxEntry, type InboxUpdate } from '../../src/inbox/entry.ts'
import { decodeCursor, encodeCursor } from '../../src/inbox/list.ts'
import { admitConnection } from '../../src/inbox/admit-connection.ts'
import { bannedMark } from '../../src/inbox/user-ban.ts'
import { earliest, isKnown } from '../../src/inbox/recent-inboxes.ts'
import type { RequestContext } from '../../src/kernel/request-context.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/id.ts'
import { whenReady, type Ready } from '../../src/kernel/ready.ts'
import { inboxChannel } from '../../src/protocol/channels.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { Publication } from '../../src/protocol/replies.ts'
import type {
  EphemeralEvent,
  StreamAnswer,
  StreamCall,
  StreamCommand,
  StreamResult,
  StreamUpdate,
} from '../../src/protocol/stream.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { inboxNotesOf, ownName } from '../address.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { Subscribers } from '../shared/subscribers.ts'
import { listAfterMs } from '../shared/listed-name.ts'
import { ConversationList } from './conversation-list.ts'
import { EntryTable } from './entry-table.ts'
import { Settings } from '../shared/settings.ts'
import { inboxSchema } from './schema.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { ModeratedUser } from './moderated-user.ts'
import type { InboxPage, InboxRpc } from '../contracts.ts'

/** Changed conversations sent to a returning client; beyond it the client asks for the list. */
const recoveredEntries = 500

/**
 * Whether conversations update this inbox directly, its last opening at the notes actor, and how far it has read there.
 */
const notesShape = z.object({ isOpen: z.boolean(), turn: z.number(), place: z.number() })
type NotesState = z.output<typeof notesShape>
const closedAtFirst: NotesState = { isOpen: false, turn: 0, place: 0 }

/**
 * One user's conversations and their unread counts. Its stream keeps only the newest event of each conversation, so
 * that a client that returns after any time receives the present state and not the whole past.
 */
export class Inbox extends ModeratedUser implements InboxRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'inbox')
  #store = this.#open(isUsed(this.ctx.storage.sql))
  /** Whether this instance has published anything to its subscribers. */
  #hasPublished = false
  /** The place of the notes actor up to which all was read; what changed nothing here is not stored. */
  #readUpTo = 0
  /** The opening under way, which every other call waits for. */
  #opening: Promise<void> | undefined
  #known: NotesState | undefined
  protected override readonly own = () => ({
    ...this.#store,
    alarm: this.#place.alarm,
    create: () => this.#create(),
  })

  /** Runs the commands of a gateway: subscribing and leaving. A closed inbox opens first. */
  execute(call: StreamCall): StreamAnswer | Promise<StreamAnswer> {
    const isListening = call.gateway !== null && call.have !== null
    const isComing = isListening || call.commands.some(({ kind }) => kind === 'subscribe')
    if (this.#opening === undefined && (!isComing || this.#notesState().isOpen)) return this.#execute(call)
    return (isComing ? this.#openToUpdates() : this.#whenOpened()).then(() => this.#execute(call))
  }

  /**
   * Only a user at several gateways has to be counted. Before a connection is refused the other gateways are asked, since
   * they may have lost connections without saying so.
   */
  #execute(call: StreamCall): Ready<StreamAnswer> {
    this.#create()
    const { subscribers } = this.#store
    const claims = call.commands.flatMap((command) => (command.kind === 'subscribe' ? (command.pass ?? []) : []))
    if (claims.length === 0 || !subscribers.reachesBeyond(call.gateway)) return this.#answer(call)
    return whenReady(subscribers.presence.know(call.gateway, false), () => {
      const elsewhere = subscribers.presence.connectionsBeyond(call.gateway)
      const isBeyond = claims.some(({ connections, atMost }) => connections + elsewhere > atMost)
      return isBeyond
        ? whenReady(subscribers.presence.know(call.gateway, true), () => this.#answer(call))
        : this.#answer(call)
    })
  }

  /**
   * Ends every session admitted by a token issued until now, and keeps such tokens out. Returns that moment, once the user's
   * gateways have answered: one that keeps this inbox asks it from then on.
   */
  revoke(): Ready<number> {
    const isNew = this.#store.settings.get('epoch') === undefined
    this.#create()
    const now = this.#clock.now()
    // Of a user in no conversation nothing else would tell a deletion of the tenant.
    if (isNew) void this.#place.alarm.setAlarm(now + listAfterMs)
    // Tokens of an erased user are void for good.
    this.#store.settings.set('revokedAt', Math.max(now, this.#store.settings.number('revokedAt')))
    const top = this.#store.entries.top()
    const { subscribers } = this.#store
    subscribers.publish({ epoch: this.#epoch(), after: top, publications: [], events: this.#events() }, null)
    return whenReady(subscribers.presence.know(null, true), () => now)
  }

  /** Sends ephemeral events to the user's connections; each is JSON text. */
  notify(events: readonly string[]): void {
    const { entries, subscribers } = this.#store
    if (subscribers.size === 0) return
    const pubs = events.map((data) => ({ kind: 'pub' as const, data }))
    subscribers.publish({ epoch: this.#epoch(), after: entries.top(), publications: [], events: pubs }, null)
  }

  /** The gateways that hold the user's connections. */
  gateways(): string[] {
    return this.#store.subscribers.gateways()
  }

  /** Tokens issued until then are void, in milliseconds since the epoch; -1 when none were ever revoked. All are while the user is banned. */
  revokedAt(): number {
    const { settings } = this.#store
    const isBanned = settings.number('bannedUntil') > this.#clock.now()
    return Math.max(isBanned ? bannedMark : -1, Number(settings.get('revokedAt') ?? -1))
  }

  #answer(call: StreamCall): StreamAnswer {
    const { subscribers } = this.#store
    const elsewhere = subscribers.presence.connectionsBeyond(call.gateway)
    const results = call.commands.map((command) => this.#applyCommand(command, elsewhere))
    subscribers.note(call, results)
    const top = this.#store.entries.top()
    const missed = call.have === null ? [] : this.#store.entries.after(call.have, recoveredEntries + 1)
    const behind = missed.length > recoveredEntries
    const after = behind ? top : (call.have ?? top)
    const publications = behind ? [] : missed.map(toPublication)
    const events = [...this.#events(), ...(behind ? [] : missed.flatMap(listedEvent))]
    return { update: { epoch: this.#epoch(), after, publications, events }, behind, results }
  }

  /** A conversation reports its state. A repeat changes nothing. False when no connection of the user is left. */
  async advance(update: InboxUpdate): Promise<boolean> {
    this.#place.used()
    await this.#opening
    this.#apply(update)
    if (this.#store.subscribers.size > 0) return true
    await this.#close()
    return false
  }

  #apply(update: InboxUpdate): void {
    const known = this.#store.entries.get(update.conversation)
    const entry = decideAdvance(known, update, this.#nextOffset())
    if (entry === undefined) this.#announcePosition()
    else this.#write(entry, known === undefined || known.removed ? listedEvent(entry) : [])
  }

  /** Offsets are times, so that a position says when it was given. */
  #nextOffset(): number {
    return Math.max(this.#store.entries.top() + 1, this.#clock.now())
  }

  /** The user is no longer in a conversation. */
  async remove(conversation: string, version: number): Promise<void> {
    await this.#opening
    this.#forget(conversation, version)
  }

  #forget(conversation: string, version: number): void {
    const known = this.#store.entries.get(conversation)
    const entry = decideRemoval(known, version, this.#nextOffset())
    if (entry === undefined) this.#announcePosition()
    else this.#write(entry)
  }

  /** The conversation list, newest activity first. */
  async list(cursor: string | undefined, limit: number, request?: RequestContext): Promise<InboxPage | Refusal> {
    await this.#opening
    if (!this.#notesState().isOpen) await this.#catchUp(this.#notesState())
    const from = cursor === undefined ? undefined : decodeCursor(cursor)
    if (cursor !== undefined && from === undefined)
      return refuse('invalidPayload', 'cursor: not one of ours; leave it out to start over')
    const { items, last } = await this.#list(request).page(from, limit)
    return { kind: 'page', conversations: items, next: last === undefined ? null : encodeCursor(last) }
  }

  /** The `unread` events of conversations that changed since then, in milliseconds since the epoch; undefined when there are too many. */
  async changes(since: number): Promise<readonly string[] | undefined> {
    await this.#opening
    return await this.#list().changes(since)
  }

  /** Sent with every answer, so that a gateway that was not reached receives it with its next call. */
  #events(): readonly EphemeralEvent[] {
    const until = this.revokedAt()
    return until < 0 ? [] : [{ kind: 'revoked', until }]
  }

  #applyCommand(command: StreamCommand, elsewhere: number): StreamResult {
    if (command.kind === 'leave') return { kind: 'done', data: '{}' }
    if (command.kind !== 'subscribe') return refuse('permissionDenied')
    const denied = admitConnection(command.pass, { revokedAt: this.revokedAt(), elsewhere })
    if (denied !== undefined) return denied
    return this.#subscribed(command)
  }

  #subscribed({ since }: Extract<StreamCommand, { kind: 'subscribe' }>): StreamResult {
    const epoch = this.#epoch()
    const top = this.#store.entries.top()
    const now = this.#clock.now()
    const known = since !== undefined && isKnown(since, epoch, top, now)
    const missed = known ? this.#store.entries.after(earliest(since), recoveredEntries + 1) : []
    const recovered = known && missed.length <= recoveredEntries
    return {
      kind: 'subscribed',
      epoch,
      offset: recovered && missed.length > 0 ? since.offset : Math.max(top, now),
      top,
      buckets: this.#list().buckets(),
      wasRecovering: since !== undefined,
      recovered,
      publications: recovered ? missed.map(toPublication) : [],
      data: '{}',
    }
  }

  /**
   * An update that changes nothing: its first sender may have crashed before subscribers heard of it, so the position
   * is announced.
   */
  #announcePosition(): void {
    if (!this.#hasPublished) this.#store.subscribers.announcePosition(this.#epoch(), this.#store.entries.top())
    this.#hasPublished = true
  }

  #write(entry: InboxEntry, events: readonly EphemeralEvent[] = []): void {
    this.#hasPublished = true
    this.#create()
    const after = this.#store.entries.top()
    this.#store.entries.put(entry)
    const update: StreamUpdate = { epoch: this.#epoch(), after, publications: [toPublication(entry)], events }
    this.#store.subscribers.publish(update, null)
  }

  /** From now on conversations update this inbox directly; what the notes actor holds is applied first. */
  #openToUpdates(): Promise<void> {
    this.#opening ??= this.#openNow().finally(() => (this.#opening = undefined))
    return this.#opening
  }

  async #whenOpened(): Promise<void> {
    await this.#opening?.catch(() => undefined)
  }

  async #openNow(): Promise<void> {
    const before = this.#notesState()
    if (before.isOpen) return
    this.#create()
    const { turn, place } = await this.#notes().open(this.#user)
    await this.#readMissed(before.place)
    this.#setNotesState({ isOpen: true, turn, place })
  }

  /** Reads what the notes actor holds, without being updated directly from now on. */
  async #catchUp(notesState: NotesState): Promise<void> {
    const place = await this.#readMissed(Math.max(notesState.place, this.#readUpTo))
    if (place > notesState.place && !this.#notesState().isOpen) this.#setNotesState({ ...notesState, place })
  }

  /** Applies all that changed after place `since`. Returns the place up to which nothing is missed then. */
  async #readMissed(since: number): Promise<number> {
    let reached = since
    let readUpTo = 0
    let after: string | null = ''
    while (after !== null) {
      const page: MissedPage = await this.#notes().missed(this.#user, since, after)
      if (after === '') readUpTo = page.place
      if (after === '' && page.missed.length > 0) reached = page.place
      for (const each of page.missed)
        if (each.kind === 'news') this.#apply(each.news)
        else this.#forget(each.conversation, each.version)
      after = page.next
    }
    this.#readUpTo = readUpTo
    return reached
  }

  /** With no connection left, conversations update the notes actor again. It is notified last: a repeat does no harm. */
  async #close(): Promise<void> {
    const notesState = this.#notesState()
    if (notesState.isOpen) this.#setNotesState({ ...notesState, isOpen: false })
    await this.#notes().close(this.#user, notesState.turn)
  }

  #notesState(): NotesState {
    const stored = this.#store.settings.get('standing')
    this.#known ??= stored === undefined ? closedAtFirst : notesShape.parse(JSON.parse(stored))
    return this.#known
  }

  #setNotesState(notesState: NotesState): void {
    this.#create()
    this.#known = notesState
    this.#store.settings.set('standing', JSON.stringify(notesState))
  }

  get #user(): string {
    return ownName(this.ctx.id.name).name
  }

  #list(request?: RequestContext): ConversationList {
    return new ConversationList(this.env, this.#tenant, this.#user, this.#store.entries, request)
  }

  get #tenant(): string {
    return ownName(this.ctx.id.name).tenant
  }

  #notes() {
    const { tenant, name } = ownName(this.ctx.id.name)
    return inboxNotesOf(this.env, tenant, name)
  }

  /** Creates the tables and the stream's epoch, on the first write. */
  #create(): void {
    if (this.#store.settings.get('epoch') !== undefined) return
    requireTenant(this.#tenant)
    this.#store = this.#open(true)
    this.#store.settings.set('epoch', randomToken(8))
  }

  #epoch(): string {
    return this.#store.settings.get('epoch') ?? ''
  }

  #open(exists: boolean) {
    const { sql } = this.ctx.storage
    if (exists) migrate(sql, inboxSchema)
    // The inbox of an erased user is reached by its id when its tenant is deleted.
    const { tenant, name } = ownName(this.ctx.id.name ?? '/')
    return {
      settings: new Settings(sql, exists),
      entries: new EntryTable(sql, exists),
      subscribers: new Subscribers(this.env, sql, exists, { tenant, channel: inboxChannel(name) }),
    }
  }
}

const noUser = { user: '', client: '' }

/** Tells gateways that a conversation is on the list. Repeats do no harm. */
const listedEvent = ({ conversation, removed }: InboxEntry): EphemeralEvent[] =>
  removed ? [] : [{ kind: 'listed', conversation, info: noUser }]

const toPublication = (entry: InboxEntry): Publication => ({ offset: entry.offset, data: toEvent(entry) })
