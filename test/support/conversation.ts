import { MessageStateTables } from '../../durable-objects/conversation/message-state-tables.ts'
import { UploadTable } from '../../durable-objects/conversation/upload-table.ts'
import { conversationSchema } from '../../durable-objects/conversation/schema.ts'
import { Disk } from '../sim/disk.ts'
import { commandBy } from './conversation-command.ts'
import type { Amendments, Log, Members, ReadStates } from '../../src/conversations/ports.ts'
import { applyCommands } from '../../src/conversations/apply-commands.ts'
import { entryKinds } from '../../src/conversations/entry-views.ts'
import { SentTimes } from '../../src/conversations/slow-mode.ts'
import { StreamingMessages } from '../../src/conversations/streaming.ts'
import type { ConversationState } from '../../src/conversations/state.ts'
import type { Actor, ConversationType, LogRow, Member, Target } from '../../src/conversations/types.ts'
import type { Mentions, ReadState } from '../../src/events/activity.ts'
import type { EphemeralEvent, StreamCommand, StreamResult } from '../../src/protocol/stream.ts'

/** A log with its amendments as the ports promise them, in memory. */
export class MemoryLog implements Log, Amendments {
  readonly rows: LogRow[] = []
  readonly amended = new Map<number, string | null>()
  held = 1
  confirmed = 0

  top = () => this.rows.length
  floor = () => this.held

  readonly quiet = new Set<number>()

  /** Called with each entry that is added, and the thread that it is a reply in. */
  noteEntry = (_row: LogRow, _thread: number | undefined): void => undefined
  readonly threads = new Map<number, number>()

  append(row: LogRow, quiet = false, thread?: number) {
    const known =
      row.clientId === null
        ? undefined
        : this.rows.find(({ user, clientId }) => user === row.user && clientId === row.clientId)
    if (known === undefined) this.rows.push(row)
    if (known === undefined && quiet) this.quiet.add(row.seq)
    if (known === undefined && thread !== undefined) this.threads.set(row.seq, thread)
    if (known === undefined) this.noteEntry(row, thread)
    return known
  }

  placeOf = (author: string, id: string) => this.rows.find(({ user, clientId }) => user === author && clientId === id)

  number = () => this.numberAt(this.top())
  numberAt = (upTo: number) =>
    this.rows.filter(({ seq, clientId }) => seq <= upTo && clientId !== null && !this.quiet.has(seq)).length
  deletedAfter = (after: number) =>
    [...this.amended].filter(([ref, text]) => ref > after && text === null && !this.quiet.has(ref)).length

  range = (after: number, upTo: number, limit: number) =>
    this.rows.filter(({ seq }) => seq > after && seq <= upTo && seq >= this.held).slice(0, limit)

  target(seq: number): Target | undefined {
    const row = this.rows.find((known) => known.seq === seq)
    if (row === undefined) return undefined
    const kind = row.clientId === null ? 'other' : 'message'
    const text = this.amended.get(seq)
    return { kind, user: row.user, deleted: text === null, text: text ?? undefined }
  }

  newestOf = (ref: number) =>
    this.rows.findLast(
      ({ seq, data }) => seq >= this.held && data.includes('"type":"message.') && JSON.parse(data).ref === ref,
    )

  confirm = () => void this.confirmed++

  /** Called with each amendment. */
  noteAmendment = (_ref: number, _text: string | null): void => undefined

  amend(ref: number, text: string | null): void {
    this.amended.set(ref, text)
    this.noteAmendment(ref, text)
  }
}

/** Members as the port promises them, in memory. */
export class MemoryMembers implements Members {
  readonly #members = new Map<string, Member>()

  get = (user: string) => this.#members.get(user)
  count = () => this.#members.size
  put = (member: Member) => void this.#members.set(member.user, member)
  remove = (user: string) => void this.#members.delete(user)
  after = (user: string, limit: number) =>
    [...this.#members.values()]
      .filter((member) => member.user > user)
      .sort((a, b) => (a.user < b.user ? -1 : 1))
      .slice(0, limit)
  some = (limit: number) => [...this.#members.values()].slice(0, limit)

  moveRead(user: string, seq: number): void {
    const member = this.#members.get(user)
    if (member !== undefined) this.#members.set(user, { ...member, read: seq })
  }
}

/** What is unread, counted from a log in memory. */
class MemoryReadStates implements ReadStates {
  readonly mentions: (Mentions & { readonly seq: number })[] = []
  readonly #log: MemoryLog
  readonly #members: MemoryMembers

  constructor(log: MemoryLog, members: MemoryMembers) {
    this.#log = log
    this.#members = members
  }

  of(user: string): ReadState | undefined {
    const read = this.#members.get(user)?.read
    if (read === undefined) return undefined
    const number = this.#log.number()
    const unread = number - this.#log.numberAt(read) - this.#log.deletedAfter(read)
    const mentions = this.mentions.filter(({ seq, users = [] }) => seq > read && users.includes(user)).length
    return { last: this.#log.top(), number, read, unread, mentions }
  }

  noteAll = () => undefined

  noteMentions = (seq: number, mentions: Mentions) => void this.mentions.push({ seq, ...mentions })
}

/** A conversation for decisions: its members, its messages, and a clock that stands still. */
export class TestConversation implements ConversationState {
  readonly log = new MemoryLog()
  readonly amendments = this.log
  readonly #disk = new Disk()
  #messages: MessageStateTables | undefined
  readonly members = new MemoryMembers()
  readonly readStates = new MemoryReadStates(this.log, this.members)
  readonly sentTimes = new SentTimes(this.log)
  #uploads: UploadTable | undefined
  readonly removals: string[] = []
  /** Events that streaming messages published, what is stored of them, and what they come back for. */
  readonly streamed: EphemeralEvent[] = []
  readonly places = new Map<number, string>()
  writes = 0
  readonly timers: { readonly at: number; readonly run: () => void }[] = []
  streaming = this.#newStreaming()
  conversation: ConversationState['conversation']
  now = 1000

  constructor(roles: Readonly<Record<string, string>>, type: ConversationType = 'group') {
    this.conversation = {
      tenant: 'acme',
      id: 'lunch',
      type,
      name: 'Lunch',
      epoch: 'epoch',
      createdBy: 'owner',
      createdAt: 1,
      version: 1,
    }
    for (const [user, role] of Object.entries(roles)) this.members.put({ user, role, joinedAt: 1, read: 0, joined: 0 })
  }

  /** Tables on a disk, which are made when they are first used. */
  get messages(): MessageStateTables {
    return (this.#messages ??= this.#openTables())
  }

  get uploads(): UploadTable {
    // The tables are made with those of messages.
    return (this.#uploads ??= new UploadTable((this.messages, this.#disk), true))
  }

  close(): void {
    this.#disk.close()
  }

  /** The actor ends and wakes: only what is stored is left. */
  crash(): void {
    this.timers.length = 0
    this.streaming = this.#newStreaming()
    this.#messages &&= new MessageStateTables(this.#disk, this.#stored)
  }

  /** Lets time pass, with the timers that ring in it. */
  pass(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const next = this.timers.toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > until) break
      this.timers.splice(this.timers.indexOf(next), 1)
      this.now = Math.max(this.now, next.at)
      next.run()
    }
    this.now = until
  }

  get #stored() {
    return { isUsed: this.streaming.isUsed, open: () => this.streaming }
  }

  #newStreaming(): StreamingMessages {
    return new StreamingMessages({
      read: (place) => this.places.get(place) ?? '',
      write: (place, text) => {
        this.writes++
        this.places.set(place, text)
        if (this.#messages !== undefined)
          this.#messages.isStreaming = [...this.places.values()].some((each) => each !== '')
      },
      publish: (events) => void this.streamed.push(...events),
      later: (ms, run) => void this.timers.push({ at: this.now + ms, run }),
      now: () => this.now,
    })
  }

  #openTables(): MessageStateTables {
    for (const statements of conversationSchema) this.#disk.exec(statements)
    const tables = new MessageStateTables(this.#disk, this.#stored)
    this.log.noteEntry = ({ seq, at, user, client, clientId, data }, thread) =>
      void this.#disk.exec(
        `INSERT INTO messages (seq, at, user, client, client_id, data, thread, reply) VALUES (?, ?, ?, ?, ?, ?, ?7,
         1 + coalesce((SELECT reply FROM messages WHERE thread = ?7 ORDER BY seq DESC LIMIT 1), 0))`,
        seq,
        at,
        user,
        client,
        clientId,
        data,
        thread ?? null,
      )
    this.log.noteAmendment = (ref, text) => {
      this.#disk.exec(
        `INSERT OR REPLACE INTO amendments (ref, at, text, thread)
         SELECT ?1, 0, ?2, (SELECT thread FROM messages WHERE seq = ?1)`,
        ref,
        text,
      )
      if (text === null) tables.deleted(ref)
    }
    for (const row of this.log.rows) this.log.noteEntry(row, this.log.threads.get(row.seq))
    for (const [ref, text] of this.log.amended) this.log.noteAmendment(ref, text)
    return tables
  }

  write = () => undefined
  noteRemovalOfAll = () => undefined
  noteRemoval = (user: string) => void this.removals.push(user)

  /** Runs commands in one call. What they publish must be of a kind that a command lists as its entries. */
  apply(...commands: readonly StreamCommand[]) {
    const applied = applyCommands(this, commands)
    for (const { data } of applied.publications) {
      const entry = JSON.parse(data)
      entryKinds[entry.type]?.strict().parse(entry)
      if (entryKinds[entry.type] === undefined) throw new Error(`no command lists entries of the type ${entry.type}`)
    }
    return applied
  }

  /** Runs one command; what it answered, its data read. */
  result(command: StreamCommand): unknown {
    return readResult(this.apply(command).results[0])
  }

  /** Runs one command by its name; what it answered, its data read. */
  run(name: string, actor: Partial<Actor>, input: object = {}): unknown {
    return this.result(commandBy(name, actor, input))
  }

  say(user: string, text: string, clientId = `${user}-${this.log.top() + 1}`): unknown {
    return this.result({ kind: 'send', user, client: 'phone', content: { clientId, text } })
  }
}

function readResult(result: StreamResult | undefined): unknown {
  return result?.kind === 'done' ? JSON.parse(result.data) : result
}

/** A refusal of this kind, whatever its words. */
export const refused = (error: string) => ({ kind: 'refused', error })
