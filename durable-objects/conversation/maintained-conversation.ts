import type { ErasedUser } from '../../src/events/erased-user.ts'
import type { ConversationChecksums } from '../../src/history/checksum.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import type { ChatExplanation } from '../../src/protocol/chat-notifications-api.ts'
import { blockedWith, rightsOf } from '../../src/conversations/rights.ts'
import type { ConversationState } from '../../src/conversations/state.ts'
import type { Actor, Member } from '../../src/conversations/types.ts'
import {
  applyUpload,
  readableUploads,
  type ReadableUploads,
  type UploadAction,
  type UploadAnswer,
} from '../../src/conversations/uploads.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type {
  AskedNotice,
  ChatNoticeNow,
  ErasedPart,
  ExportedEntries,
  ExportQuery,
  FoundNow,
  ImportBatch,
  ImportedBatch,
  RepliesAnswer,
  RepliesQuery,
  WrittenWithout,
} from '../contracts.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { checksumsOf } from './checksums.ts'
import type { ConversationStore } from './conversation-store.ts'
import type { ConversationTasks } from './conversation-tasks.ts'
import { exportedEntries } from './exported-entries.ts'
import { foundMessages } from './found-messages.ts'
import { importBatch } from './importer.ts'
import { replyPage } from './reply-page.ts'
import { UserEraser } from './user-eraser.ts'

/** What is maintained of a conversation. */
interface Maintained {
  readonly store: ConversationStore
  readonly tasks: ConversationTasks
  /** As its commands read and change it; undefined when there is none. */
  readonly state: () => ConversationState | undefined
}

/** What is asked of a conversation for its tenant or its operator, and about files: none of it is part of a message. */
export abstract class MaintainedConversation extends TenantActor {
  /** A conversation that begins has another store. A member of the instance: others cannot call it. */
  protected abstract readonly maintained: () => Maintained

  /** What Postgres must have of this conversation; undefined when there is none. */
  checksums(): Promise<ConversationChecksums | undefined> {
    return checksumsOf(this.maintained().store, this.ctx.storage.sql)
  }

  /** Has what Postgres has of this conversation made again from its log. */
  rebuild(): void {
    this.maintained().tasks.rebuild()
  }

  /** Erases a user here, a part with each call; see `UserEraser`. */
  eraseUser(erased: ErasedUser, cursor: string): ErasedPart {
    const { store, tasks } = this.maintained()
    const part = this.ctx.storage.transactionSync(() => this.#eraser().eraseSome(erased, cursor, systemClock.now()))
    if (part.erased > 0) tasks.runNext()
    if (part.erased > 0 && store.activity.isPending()) tasks.alarm.runPrompt(systemClock.now())
    return part
  }

  /** Whether Postgres has all that is here now, and which of the entries `refs` the user wrote. */
  writtenWithout(erased: ErasedUser, refs: readonly number[]): WrittenWithout {
    const { store, tasks } = this.maintained()
    const { conversation, projection, activity, publisher } = store
    if (conversation === undefined) return { isWritten: true, theirs: [] }
    const isCopied = !projection.isPending(conversation) && !projection.isRebuilding && !activity.isPending()
    const isWritten = isCopied && !publisher.isPending(conversation)
    if (!isWritten) tasks.runNext()
    return { isWritten, theirs: refs.length === 0 ? [] : this.#eraser().wrote(erased, refs) }
  }

  /** Entries were changed in Postgres: caches of their pages are used no more. */
  entriesRewritten(seqs: readonly number[]): void {
    const { store, tasks } = this.maintained()
    if (store.conversation === undefined) return
    store.cachedPages.note(store.conversation, seqs, store.log.floor())
    tasks.runNext()
  }

  /** A page of the replies in a thread. */
  replies(actor: Actor, query: RepliesQuery): RepliesAnswer {
    return replyPage(this.maintained().store, actor, query, systemClock.now())
  }

  /** Whether a notification of this conversation is still needed by its recipient, and what it says now. */
  async noticeNow(asked: AskedNotice): Promise<ChatNoticeNow> {
    return await this.maintained().store.notifier.now(asked)
  }

  /** What the rules of notifications say of one user; undefined when there is no conversation. */
  async explainNotices(user: string): Promise<ChatExplanation | undefined> {
    return await this.maintained().store.notifier.explain(user)
  }

  /** Which of the messages that a search found the actor may see at this moment. */
  found(actor: Actor, seqs: readonly number[]): FoundNow[] {
    return foundMessages(this.maintained().store, actor, seqs, systemClock.now())
  }

  /** What is exported of this conversation; undefined when there is none. */
  exportEntries(query: ExportQuery): ExportedEntries | undefined {
    return exportedEntries(this.maintained().store, query)
  }

  /** Members after `after`, by user id. */
  exportMembers(after: string, limit: number): Member[] {
    const { conversation, members } = this.maintained().store
    return conversation === undefined ? [] : members.after(after, limit)
  }

  /** Puts lines of an export into this conversation, which `create` has made. */
  importBatch(batch: ImportBatch): ImportedBatch {
    const { store, tasks } = this.maintained()
    const answer = this.ctx.storage.transactionSync(() => importBatch(store, batch))
    if (answer.imported > 0) {
      store.announcePosition()
      tasks.runNext()
    }
    return answer
  }

  /** A member of this direct conversation blocks the other one, `user`, or no longer does. Returns whether that changed anything. */
  setBlocked(user: string, isBlocked: boolean): boolean {
    const { store } = this.maintained()
    const { conversation, members } = store
    if (conversation === undefined || conversation.deletedAt !== undefined) return false
    const changed = blockedWith(conversation, members, user, isBlocked)
    if (changed === undefined) return false
    const after = { ...conversation, ...changed }
    // The version stays: neither Postgres nor subscribers are told of blocks.
    store.write({ ...after, rights: rightsOf(after) })
    return true
  }

  /** Begins, continues or ends the upload of a file; the edge stores its bytes. */
  applyUpload(actor: Actor, action: UploadAction): UploadAnswer | Refusal {
    const { state: read, tasks } = this.maintained()
    const state = read()
    if (state === undefined) return refuse('notFound')
    const answer = applyUpload(state, actor, action)
    if (answer.kind === 'upload') tasks.alarm.scheduleGathering(state.now, 0)
    return answer
  }

  /** Those of the files that the actor may read. */
  readableUploads(actor: Actor, ids: readonly string[]): ReadableUploads | Refusal {
    const state = this.maintained().state()
    return state === undefined ? refuse('notFound') : readableUploads(state, actor, ids)
  }

  #eraser(): UserEraser {
    return new UserEraser(this.ctx.storage.sql, this.maintained().store)
  }
}
