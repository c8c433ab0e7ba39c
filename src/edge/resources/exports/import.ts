import { recipientsNumberOf } from '../../../../durable-objects/address.ts'
import type { ImportBatch } from '../../../../durable-objects/contracts.ts'
import { callConversation } from '../../../../durable-objects/open-actors.ts'
import {
  callNotificationCatalog,
  callRecipients,
  callRecipientsNumbered,
} from '../../../../durable-objects/open-recipients.ts'
import { directKey } from '../../../conversations/create.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { uuidFrom } from '../../../kernel/id.ts'
import { profileFields } from '../../../notifications/users/profile.ts'
import type { Refusal } from '../../../protocol/errors.ts'
import type { ImportedLine } from '../../../protocol/import-api.ts'
import { textAt } from '../../../protocol/protobuf/json-text.ts'
import { noteChosenId, withTenantCheck } from '../../identity/conversation-ids.ts'
import type { ExportedTenant } from './conversation-lines.ts'
import { readLine, storedEntry } from './import-lines.ts'

interface Taken {
  readonly line: ImportedLine
  readonly text: string
}

/** What became of the lines of a request so far. */
interface Progress {
  lines: number
  imported: number
  repeated: number
  skipped: number
  readonly renamed: Record<string, string>
  refused: { readonly line: number; readonly reason: string } | null
}

/** Puts lines of an export into a tenant, in their order, until one of them does not fit. */
export async function importLines(at: ExportedTenant, texts: readonly string[]): Promise<Progress> {
  const progress: Progress = { lines: 0, imported: 0, repeated: 0, skipped: 0, renamed: {}, refused: null }
  const now = systemClock.now()
  let group: Taken[] = []
  const flush = async () => {
    const [first] = group
    if (first !== undefined) await importGroup(at, first.line, group, progress)
    group = []
  }
  for (const [index, text] of texts.entries()) {
    const read = readLine(text, now)
    if (read.kind === 'line' && !isOfGroup(group[0]?.line, read.line)) await flush()
    if (progress.refused !== null) return progress
    if (read.kind === 'bad') {
      await flush()
      progress.refused ??= { line: index + 1, reason: read.reason }
      return progress
    }
    if (read.kind === 'line') group.push(read)
    else {
      await flush()
      if (progress.refused !== null) return progress
      progress.skipped++
      progress.lines++
    }
  }
  await flush()
  return progress
}

/** Whether a line is put in together with those before it: lines of one conversation, or of users. */
function isOfGroup(first: ImportedLine | undefined, line: ImportedLine): boolean {
  if (first === undefined) return true
  if ('conversation' in line)
    return 'conversation' in first && first.conversation === line.conversation && line.type !== 'conversation'
  return first.type === 'user' && line.type === 'user'
}

async function importGroup(
  at: ExportedTenant,
  first: ImportedLine,
  group: readonly Taken[],
  progress: Progress,
): Promise<void> {
  if ('conversation' in first) return await importConversation(at, first.conversation, group, progress)
  const imported = first.type === 'user' ? await importUsers(at, group) : (await importOne(at, first)) ? 1 : 0
  progress.imported += imported
  progress.repeated += group.length - imported
  progress.lines += group.length
}

async function importUsers({ env, tenant }: ExportedTenant, group: readonly Taken[]): Promise<number> {
  const users = group.flatMap(({ line, text }) => {
    if (line.type !== 'user') return []
    const { createdAt, updatedAt, properties, targets } = line.profile
    const given = profileFields.map((name) => [name, line.profile[name]] as const)
    const fields = Object.fromEntries(given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
    const stored = textAt(text, ['profile', 'properties']) ?? JSON.stringify(properties)
    return [{ id: line.user, createdAt, updatedAt, fields, properties: stored, targets }]
  })
  let imported = 0
  for (const [number, own] of Map.groupBy(users, ({ id }) => recipientsNumberOf(id)))
    imported += await callRecipientsNumbered(env, tenant, number, (recipients) => recipients.restoreUsers(own))
  return imported
}

/** Whether anything was new. */
async function importOne({ env, tenant }: ExportedTenant, line: ImportedLine): Promise<boolean> {
  if (line.type === 'preferences') {
    const { user, preferences } = line
    const { preferences: known } = await callRecipients(env, tenant, user, (own) => own.preferences(user))
    const isSame = JSON.stringify(known) === JSON.stringify(preferences)
    if (!isSame) await callRecipients(env, tenant, user, (own) => own.putPreferences(user, preferences))
    return !isSame
  }
  if (line.type !== 'subscription') return false
  const topic = await callNotificationCatalog(env, tenant, (catalog) => catalog.putTopic(line.topic))
  if (topic.kind === 'refused') throw new Error(topic.detail ?? topic.error)
  return (await callRecipients(env, tenant, line.user, (own) => own.subscribe(topic.topic, [line.user]))) > 0
}

/** The lines of one conversation, by one call. */
async function importConversation(
  at: ExportedTenant,
  given: string,
  group: readonly Taken[],
  progress: Progress,
): Promise<void> {
  const { env, tenant } = at
  const [first] = group
  let properties: ImportBatch['properties']
  let id = progress.renamed[given] ?? given
  if (first?.line.type === 'conversation') {
    const { members, deletedAt, ...own } = first.line.properties
    if (deletedAt !== undefined) {
      progress.skipped += group.length
      progress.lines += group.length
      return
    }
    properties = own
    id = await idOf(at, given, own.type, members)
    if (id !== given) progress.renamed[given] = id
    const wanted = { tenant, id, type: own.type, name: own.name, members: [], createdBy: own.createdBy }
    const created = await callConversation(env, tenant, id, (actor) => actor.create(wanted))
    if (created.kind === 'refused') return refuseAt(progress, created)
  }
  const batch: ImportBatch = {
    properties,
    members: group.flatMap(({ line }) => (line.type === 'member' ? [line.member] : [])),
    entries: group.flatMap(({ line, text }) => {
      if (line.type !== 'entry') return []
      const { seq, at: time, user, clientId } = line
      return [{ seq, at: time, user, clientId, data: storedEntry(line, text, id) }]
    }),
  }
  const { imported, repeated, refusal } = await callConversation(env, tenant, id, (actor) => actor.importBatch(batch))
  progress.imported += imported
  progress.repeated += repeated
  progress.lines += imported + repeated
  if (refusal !== undefined) refuseAt(progress, refusal)
}

function refuseAt(progress: Progress, { detail, error }: Refusal): void {
  progress.refused = { line: progress.lines + 1, reason: detail ?? error }
}

/** The id here: a direct conversation has the one that its two users have in this tenant. */
async function idOf(
  { env, tenant }: ExportedTenant,
  given: string,
  type: string,
  members: readonly string[] | undefined,
) {
  if (type === 'direct' && members !== undefined)
    return await withTenantCheck(env, tenant, await uuidFrom(directKey(tenant, members)))
  await noteChosenId(env, tenant, given)
  return given
}
