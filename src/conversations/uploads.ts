import { refuse, type Refusal } from '../protocol/errors.ts'
import type { AttachmentView } from '../protocol/conversation-views.ts'
import type { MessageContent } from '../protocol/payloads.ts'
import { maxOpenUploads, partsOf, uploadKeptMs } from '../protocol/uploads-api.ts'
import type { Upload } from './ports.ts'
import { type ConversationState, mayRead, mayWrite } from './state.ts'
import type { Actor } from './types.ts'

/** What is done with uploads, by calls of the edge, which stores the bytes. */
export type UploadAction =
  | {
      readonly kind: 'begin'
      readonly id: string
      readonly name: string
      readonly type: string
      readonly size: number
    }
  | { readonly kind: 'read'; readonly id: string }
  /** The place for the parts was made; the first one that is noted counts. */
  | { readonly kind: 'noteMultipart'; readonly id: string; readonly multipart: string }
  | { readonly kind: 'notePart'; readonly id: string; readonly part: number; readonly etag: string }
  | { readonly kind: 'complete'; readonly id: string; readonly width?: number; readonly height?: number }
  | { readonly kind: 'cancel'; readonly id: string }

/** The upload after the action; undefined once it is cancelled. */
export interface UploadAnswer {
  readonly kind: 'upload'
  readonly upload: Upload | undefined
}

export const unknownUpload = (id: string): Refusal =>
  refuse('unknownUpload', `upload: there is no upload ${id} of yours here; begin one with POST …/uploads`)

/** Decides and notes one action. The sender of a file, and the tenant's server, may do everything with it until a message names it. */
export function applyUpload(state: ConversationState, actor: Actor, action: UploadAction): UploadAnswer | Refusal {
  const denied = mayWrite(state, actor)
  if (denied !== undefined) return denied
  const { uploads, now } = state
  if (action.kind === 'begin') return begin(state, actor, action)
  const known = uploads.get(action.id)
  if (known === undefined || !(actor.server || known.user === actor.user) || isOver(known, now))
    return unknownUpload(action.id)
  const store = (change: Partial<Upload>): UploadAnswer => {
    const upload = { ...known, ...change }
    uploads.put(upload)
    return { kind: 'upload', upload }
  }
  switch (action.kind) {
    case 'read':
      return { kind: 'upload', upload: known }
    case 'noteMultipart':
      return known.multipart === null ? store({ multipart: action.multipart }) : { kind: 'upload', upload: known }
    case 'notePart':
      // A repeat of a part that comes when the file is complete changes nothing.
      if (known.state === 'ready') return { kind: 'upload', upload: known }
      return store({ etags: known.etags.with(action.part - 1, action.etag) })
    case 'complete': {
      const { width, height } = action
      return store({ state: 'ready', ...(width === undefined || height === undefined ? {} : { width, height }) })
    }
    case 'cancel':
      if (known.seq !== null)
        return refuse('conflict', `upload: message ${known.seq} names it; delete that message instead`)
      uploads.release(known.id)
      return { kind: 'upload', upload: undefined }
  }
}

function begin(
  { uploads, now }: ConversationState,
  { user }: Actor,
  { id, name, type, size }: Extract<UploadAction, { kind: 'begin' }>,
): UploadAnswer | Refusal {
  if (uploads.openOf(user) >= maxOpenUploads)
    return refuse(
      'tooManyUploads',
      `at most ${maxOpenUploads} uploads of a user in a conversation are open; complete or cancel one`,
    )
  const etags = Array.from({ length: partsOf(size) }, () => '')
  const upload: Upload = {
    id,
    user,
    name,
    type,
    size,
    at: now,
    state: 'open',
    multipart: null,
    etags,
    seq: null,
    clientId: null,
  }
  uploads.put(upload)
  return { kind: 'upload', upload }
}

/** When an upload is let go of unless a message names it; null once one does. */
export const expiresAt = ({ at, seq }: Upload): number | null => (seq === null ? at + uploadKeptMs : null)

const isOver = (upload: Upload, now: number): boolean => (expiresAt(upload) ?? Infinity) <= now

/** Files that were asked for. */
export interface ReadableUploads {
  readonly kind: 'uploads'
  readonly uploads: readonly Upload[]
}

/** Files that a caller may read: those of messages that are there, and their own. Others are left out. */
export function readableUploads(
  state: ConversationState,
  actor: Actor,
  ids: readonly string[],
): ReadableUploads | Refusal {
  const denied = mayRead(state, actor)
  if (denied !== undefined) return denied
  const found = ids.map((id) => state.uploads.get(id)).filter((upload) => upload !== undefined)
  const readable = found.filter(
    (upload) =>
      upload.state === 'ready' &&
      !isOver(upload, state.now) &&
      (upload.seq === null
        ? actor.server || upload.user === actor.user
        : state.amendments.target(upload.seq)?.deleted !== true),
  )
  return { kind: 'uploads', uploads: readable }
}

/** The attachments of a message as its entry has them. */
export interface ResolvedAttachments {
  readonly kind: 'resolved'
  readonly attachments: AttachmentView[]
  /** Notes that message `seq` names the files. */
  note(seq: number): void
}

/** Reads the files that a message names. Called before the message is stored, and only for one that has attachments. */
export function resolveAttachments(
  { uploads, now }: ConversationState,
  actor: Actor,
  { attachments = [], clientId }: MessageContent,
): ResolvedAttachments | Refusal {
  const named: Upload[] = []
  const resolved: AttachmentView[] = []
  for (const given of attachments) {
    if (!('upload' in given)) {
      resolved.push(given)
      continue
    }
    const upload = uploads.get(given.upload)
    const isTheirs = upload !== undefined && (upload.user === actor.user || (actor.server && upload.user === ''))
    if (upload === undefined || !isTheirs || isOver(upload, now)) return unknownUpload(given.upload)
    if (upload.state === 'open')
      return refuse('uploadNotReady', `attachments: upload ${upload.id} is not complete; complete it before the send`)
    // A repeat of the send names the files of the first time.
    if (upload.seq !== null && upload.clientId !== clientId)
      return refuse('conflict', `attachments: message ${upload.seq} names upload ${upload.id} already; upload it again`)
    named.push(upload)
    const { id, type, name, size, width, height } = upload
    const dimensions = width === undefined || height === undefined ? {} : { width, height }
    resolved.push({ upload: id, type, name, size, ...dimensions })
  }
  return {
    kind: 'resolved',
    attachments: resolved,
    note: (seq) => {
      for (const upload of named) uploads.put({ ...upload, seq, clientId })
    },
  }
}
