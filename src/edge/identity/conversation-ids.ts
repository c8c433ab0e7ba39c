import { inboxNotesOf, type conversationOf } from '../../../durable-objects/address.ts'
import type { RepliesQuery } from '../../../durable-objects/contracts.ts'
import { callConversation } from '../../../durable-objects/open-actors.ts'
import { refuseAll } from '../../conversations/apply-commands.ts'
import type { Actor } from '../../conversations/types.ts'
import type { UploadAction } from '../../conversations/uploads.ts'
import { hasCheck, withCheck } from '../../conversations/conversation-ids.ts'
import type { Env } from '../../env.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { systemClock } from '../../kernel/clock.ts'
import { refuse, type ErrorName, type Refusal } from '../../protocol/errors.ts'
import { knownPage, pageUrl, wholePage, type PageRequest } from '../../protocol/page-request.ts'
import type { HistoryAnswer, HistoryQuery, StreamAnswer, StreamCall } from '../../protocol/stream.ts'
import type { PresenceForm } from '../../realtime/presence-table.ts'
import { admissionOf, cachedAdmission } from './tenants.ts'

/**
 * Whether the tenant may have a conversation of that id: it carries the tenant's check, or was chosen by the tenant's server
 * and noted. No actor is woken for any other id. Tenants of earlier versions have no secret, and any id may be theirs.
 */
export async function mayBeConversation(env: Env, tenant: string, id: string): Promise<boolean> {
  const secret =
    cachedAdmission(tenant, systemClock.now())?.secrets.conversationIdSecret ?? (await secretOf(env, tenant))
  const name = `${tenant}/${id}`
  if (secret === undefined || known.get(name) === secret) return true
  if (!(await hasCheck(id, secret)) && !(await inboxNotesOf(env, tenant, id).hasChosenId(id))) return false
  known.set(name, secret)
  return true
}

/** Ids that were found possible, with the secret of the tenant that they were found under. */
const known = new BoundedMap<string, string>(20_000)

/** Whether an id that `mayBeConversation` found possible was checked: of a tenant of an earlier version any id is possible. */
const isChecked = (tenant: string, id: string): boolean => known.has(`${tenant}/${id}`)

/** An id for a new conversation, with the check of the tenant. */
export async function withTenantCheck(env: Env, tenant: string, id: string): Promise<string> {
  const secret = await secretOf(env, tenant)
  return secret === undefined ? id : await withCheck(id, secret)
}

/** Notes an id that the tenant's server chose, before its conversation is created. */
export const noteChosenId = async (env: Env, tenant: string, id: string): Promise<void> =>
  await inboxNotesOf(env, tenant, id).noteChosenId(id)

/** A page of messages as its conversation encoded it. */
interface EncodedPage {
  readonly kind: 'encoded'
  readonly json: ReadableStream | null
  readonly etag: string | undefined
}

/**
 * A conversation as the edge calls it. An id that cannot be one of the tenant's is refused like a conversation that the
 * caller may not see, and its actor is not woken.
 */
export function possibleConversation(env: Env, tenant: string, id: string) {
  type Call<R> = (conversation: ReturnType<typeof conversationOf>) => R
  const ask = async <R>(call: Call<R>, name: ErrorName = 'notFound'): Promise<Awaited<R> | Refusal> =>
    (await mayBeConversation(env, tenant, id))
      ? await callConversation(env, tenant, id, call, isChecked(tenant, id))
      : refuse(name)
  return {
    admitsWriter: (actor: Actor) => ask((conversation) => conversation.admitsWriter(actor)),
    applyUpload: (actor: Actor, action: UploadAction) => ask((conversation) => conversation.applyUpload(actor, action)),
    readableUploads: (actor: Actor, ids: readonly string[]) =>
      ask((conversation) => conversation.readableUploads(actor, ids)),
    history: (actor: Actor, query: HistoryQuery) =>
      ask((conversation) => conversation.history(actor, query), 'permissionDenied'),
    /** A page of messages: the body of the HTTP answer, null when the caller has it already, or what `history` returns. */
    messages: async (request: PageRequest): Promise<EncodedPage | HistoryAnswer> => {
      const answer = await ask((conversation) => conversation.fetch(pageUrl(request)), 'permissionDenied')
      if ('kind' in answer) return answer
      if (answer.status !== wholePage && answer.status !== knownPage) return await answer.json<HistoryAnswer>()
      return { kind: 'encoded', json: answer.body, etag: answer.headers.get('etag') ?? undefined }
    },
    replies: (actor: Actor, query: RepliesQuery) => ask((conversation) => conversation.replies(actor, query)),
    presence: (actor: Actor, form: PresenceForm) =>
      ask((conversation) => conversation.presence(actor, form), 'permissionDenied'),
    explainNotices: (user: string) => ask((conversation) => conversation.explainNotices(user)),
    execute: async (call: StreamCall): Promise<StreamAnswer> =>
      (await mayBeConversation(env, tenant, id))
        ? await callConversation(env, tenant, id, (conversation) => conversation.execute(call), isChecked(tenant, id))
        : refuseAll(call),
  }
}

const secretOf = async (env: Env, tenant: string): Promise<string | undefined> =>
  (await admissionOf(env, tenant, systemClock.now()))?.secrets.conversationIdSecret
