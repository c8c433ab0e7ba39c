import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { neon, neonConfig } from '@neondatabase/serverless'
import ts from 'typescript'
import { z } from 'zod'
import { archiveMessages } from '../../src/adapters/neon/archive-messages.ts'
import { countOldEntries, selectChecksums, selectPropertiesChecksums } from '../../src/adapters/neon/checksums.ts'
import type { Database } from '../../src/adapters/neon/connect.ts'
import { createPartitions } from '../../src/adapters/neon/create-partitions.ts'
import { selectConversationsOfUser, selectExported } from '../../src/adapters/neon/export-rows.ts'
import { dropEmptyPartitions } from '../../src/adapters/neon/drop-partitions.ts'
import { selectPosition } from '../../src/adapters/neon/log-position.ts'
import { selectCounts, selectMemberships, selectTop } from '../../src/adapters/neon/operator-questions.ts'
import { rowsOf } from '../../src/adapters/neon/moved-rows.ts'
import { runMoveAction, selectMoving } from '../../src/adapters/neon/moves.ts'
import { placeOnShard, writeDirectory } from '../../src/adapters/neon/placements.ts'
import { fillSearch, selectUnfilled } from '../../src/adapters/neon/fill-search.ts'
import { primaryReader } from '../../src/adapters/neon/read-shard.ts'
import { askReady, describePrimary, describeReplica } from '../../src/adapters/neon/replica-state.ts'
import { searchMessages } from '../../src/adapters/neon/search-messages.ts'
import { readSearchSettings, writeSearchLanguage } from '../../src/adapters/neon/search-settings.ts'
import { knownConversations, selectConversations } from '../../src/adapters/neon/select-conversations.ts'
import { selectMigration } from '../../src/adapters/neon/select-migration.ts'
import { selectPage } from '../../src/adapters/neon/select-page.ts'
import { selectPlaced } from '../../src/adapters/neon/select-placed.ts'
import { pageOfTenants, selectTenants } from '../../src/adapters/neon/select-tenants.ts'
import { countRows, deleteRows, refuseRows, selectNames } from '../../src/adapters/neon/tenant-rows.ts'
import { rollUpUsage, selectUsage } from '../../src/adapters/neon/usage.ts'
import {
  rewriteCreator,
  rewriteEntries,
  rewritePage,
  rewriteSearched,
  selectMembers,
  selectUserConversations,
  selectUserEntries,
  selectUserPages,
} from '../../src/adapters/neon/user-rows.ts'
import { writeBatches } from '../../src/adapters/neon/write-batches.ts'
import type { ProjectionBatch } from '../../src/events/projection.ts'
import { movedTables } from '../../src/tenants/move.ts'
import { tenantTables } from '../../src/tenants/stores.ts'

/** A statement as the Worker sends it, and the function that sends it. */
export interface SentStatement {
  readonly of: string
  readonly query: string
  readonly params: readonly unknown[]
}

/** A row that answers any statement well enough that its function goes on, with a digest of its own. */
const rowFor = (text: string, digest: number): Record<string, string> => ({
  ...(text.includes('FROM placements') ? { tenant_id: tenant } : {}),
  found: 'f',
  ordered: '',
  columns: '',
  horizon: '1',
  settled: 't',
  rows: '1',
  digest: text.includes('json_populate_recordset') ? '0' : String(digest),
  id: '1',
  of_table: 'messages',
  body: '[]',
  cursor: cursorOfMessages,
  group: `group ${digest}`,
  key: JSON.stringify(anyKey),
  keys: JSON.stringify([anyKey]),
  notes: '1',
  equal: 't',
  conversation_id: 'c7',
  seq: '5',
  at: '1',
  user_id: 'user7',
  epoch: '1',
  page: '1001',
  // The first step adds messages, the second one pages of the archive.
  value: JSON.stringify(
    digest < 5
      ? { of: 'messages', conversation: 'c7', seq: 5 }
      : { of: 'archive', conversation: 'c7', epoch: 'e', page: 1001 },
  ),
})

const cursorOfMessages = '["c7", 5, "2025-06-01T00:00:00Z"]'

/** The columns of the keys of all tables. */
const anyKey = {
  conversation_id: 'c7',
  seq: 5,
  sent_at: '2025-06-01T00:00:00Z',
  epoch: 'e',
  page: 1001,
  user_id: 'user7',
  day: '2025-01-05',
}

const oneRequest = z.object({ query: z.string(), params: z.array(z.unknown()).default([]) })
const anyRequest = z.union([z.object({ queries: z.array(oneRequest) }), oneRequest])
const booleans = new Set(['found', 'settled', 'equal'])

/** The client of Neon before a server that notes what is sent and answers every statement with one row. */
class Recorder {
  readonly sent: z.output<typeof oneRequest>[] = []
  readonly database: Database = neon('postgresql://parley_app:secret@recorder.local/shard0')

  constructor() {
    neonConfig.fetchFunction = async (_: string, { body }: { readonly body: string }) => {
      const asked = anyRequest.parse(JSON.parse(body))
      const answer = 'queries' in asked ? { results: asked.queries.map((each) => this.#take(each)) } : this.#take(asked)
      return Response.json(answer)
    }
  }

  #take(statement: z.output<typeof oneRequest>) {
    this.sent.push(statement)
    const row = Object.entries(rowFor(statement.query, this.sent.length))
    return {
      command: 'SELECT',
      rowCount: 1,
      rowAsArray: true,
      fields: row.map(([name]) => ({ name, dataTypeID: booleans.has(name) ? 16 : 25 })),
      rows: [row.map(([, value]) => value)],
    }
  }
}

export const tenant = 'tenant7'
export const conversation = 'c7'
const epoch = 'e'
export const firstDay = Date.UTC(2025, 0, 1)
const dayMs = 86_400_000
/** The entry of a seq was written then, in the filled shard. */
export const timeOf = (seq: number): number => firstDay + seq * 522 * 60_000

const batch = (more: Partial<ProjectionBatch> = {}): ProjectionBatch => ({
  tenant,
  placementEpoch: 1,
  conversation,
  epoch,
  rows: [2001, 2002].map((seq) => ({
    seq,
    at: Date.UTC(2025, 11, 30),
    user: 'alice',
    client: 'phone',
    clientId: `client ${seq}`,
    data: '{"type":"message","text":"words"}',
  })),
  scrubbed: [],
  ...more,
})
const facts = {
  type: 'group',
  name: 'Lunch',
  createdBy: 'alice',
  createdAt: firstDay,
  deletedAt: null,
  version: 2,
  members: [{ user: 'alice', role: 'owner', joinedAt: firstDay }],
  isComplete: true,
}

const searched = {
  tenant,
  all: "'~words'",
  any: "'~words'",
  reader: 'user7',
  conversation: null,
  author: null,
  thread: null,
  since: 0,
  upTo: { at: firstDay + 365 * dayMs, conversation: '', seq: 0 },
  limit: 20,
  scanMs: 400,
  statementMs: 2000,
} as const

type Use = (db: Database) => unknown
const replica = {
  name: 'r1',
  connection: { kind: 'secret', variable: 'DATABASE_URL_R1' },
  weight: 1,
  state: 'active',
  system: '1',
  from: '1 0/1',
} as const

/** Every function that sends statements to a shard, as it is used. A statement that none of them sends fails statements.test.ts. */
export const ofShard: Readonly<Record<string, Use>> = {
  archiveMessages: (db) => archiveMessages(db, tenant, timeOf(500), 10),
  selectChecksums: (db) => selectChecksums(db, tenant, [{ conversation, first: 1, last: 100 }]),
  selectPropertiesChecksums: (db) => selectPropertiesChecksums(db, tenant, [conversation]),
  countOldEntries: (db) => countOldEntries(db, tenant, [{ conversation, epoch, before: 500 }]),
  createPartitions: (db) => createPartitions(db, ['2026-01-01']),
  dropEmptyPartitions: (db) => dropEmptyPartitions(db, '2020-01-01'),
  selectPosition,
  selectCounts: (db) => selectCounts(primaryReader(db)),
  selectMemberships: (db) => selectMemberships(primaryReader(db), 'user7', ''),
  selectTopByMessages: (db) => selectTop(primaryReader(db), { by: 'messages', ...days, after, limit: 50 }, once()),
  selectTopByConnections: (db) =>
    selectTop(primaryReader(db), { by: 'connections', ...days, after, limit: 50 }, once()),
  placeOnShard: (db) => placeOnShard(db, tenant, { shard: 'shard0', epoch: 1 }),
  askReady: (db) => askReady(db, replica, '1 0/1'),
  describePrimary,
  describeReplica,
  selectConversations: (db) => selectConversations(db, tenant, '', 100),
  knownConversations: (db) => knownConversations(db, tenant, [conversation]),
  selectMigration,
  selectPage: (db) =>
    selectPage(
      primaryReader(db),
      { tenant, conversation, epoch },
      { first: 201, last: 300 },
      { from: timeOf(201) - dayMs, to: timeOf(300) + dayMs },
    ),
  selectPlaced: (db) => selectPlaced(db, 'tenant3', 100),
  selectMoving,
  countRows: async (db) => {
    for (const { name } of tenantTables) if (name !== 'tenants') await ignoring(countRows(db, name, tenant))
  },
  deleteRows: async (db) => {
    for (const table of tenantTables)
      if (table.name !== 'tenants') await ignoring(deleteRows(db, table, tenant, { after: null, limit: 100 }))
  },
  selectNames: async (db) => {
    for (const of of ['conversations', 'users'] as const)
      await ignoring(selectNames(db, of, tenant, { after: '', limit: 100 }))
  },
  refuseRows: (db) => refuseRows(db, tenant),
  rollUpUsage: (db) =>
    rollUpUsage(db, [tenant], Date.UTC(2025, 11, 20), [
      { tenant, day: '2025-12-20', jobs: 1, connectionsPeak: 1, requests: 1, commands: 1 },
    ]),
  selectUsage: (db) => selectUsage(db, tenant, { from: '2025-01-01', to: '2025-01-31', limit: 100 }),
  userRows,
  exportRows,
  searchMessages: async (db) => {
    await ignoring(searchMessages(primaryReader(db), searched))
    await ignoring(searchMessages(primaryReader(db), { ...searched, ranked: { below: 1, place: null, among: 100 } }))
  },
  selectUnfilled: (db) => selectUnfilled(db, [tenant]),
  fillSearch: async (db) => {
    for (let step = 0; step < 2; step++) await ignoring(fillSearch(db, { tenant, placementEpoch: 1 }))
  },
  readSearchSettings: (db) => readSearchSettings(db, tenant),
  writeSearchLanguage: (db) => writeSearchLanguage(db, tenant, 'english'),
  rewriteSearched: (db) =>
    rewriteSearched(
      db,
      { tenant, placementEpoch: 1, conversation },
      { user: 'user7', pseudonym: 'x', isDeleted: true },
    ),
  writeBatches: (db) => writeBatches(db, [batch({ facts, scrubbed: [203] })]),
  moveRows,
  moveTenant,
  rebuildBatches: (db) =>
    writeBatches(db, [batch({ facts, replaced: { first: 2001, last: 2002, hasProperties: true } })]),
}

/** What the erasure of a user sends. */
async function userRows(db: Database): Promise<void> {
  const of = { tenant, conversation, user: 'user7', name: '"user7"', withEdits: true }
  const at = { tenant, conversation, placementEpoch: 1 }
  const entry = { seq: 5, user_id: 'other', client: '', client_id: '5', body: '{}' }
  for (const work of [
    selectUserConversations(db, tenant, 'user7', '', 1),
    selectMembers(db, tenant, conversation, '', 32),
    selectUserEntries(db, of, 0, 200),
    selectUserPages(db, of, { epoch: '', page: -1 }, 2),
    rewriteEntries(db, at, [{ ...entry, digest: 'd' }]),
    rewritePage(db, at, { epoch, page: 3, digest: 'd', entries: [entry] }),
    rewriteCreator(db, at, 'user7', 'other'),
  ])
    await ignoring(work)
}

/** What exports send. */
async function exportRows(db: Database): Promise<void> {
  const range = { tenant, placementEpoch: 1, conversation, after: 100, upTo: 20_100 }
  for (const work of [
    selectExported(db, range, 200),
    selectExported(db, { ...range, user: { id: 'user7', name: '"user7"' } }, 200),
    selectConversationsOfUser(db, { tenant, user: 'user7' }, '', 50),
  ])
    await ignoring(work)
}

const cursorOf = ({ key }: (typeof movedTables)[number]) =>
  JSON.stringify(key.map(({ name }) => Object.entries(anyKey).find(([column]) => column === name)?.[1]))

async function moveRows(db: Database): Promise<void> {
  for (const table of movedTables) {
    const rows = rowsOf(table)
    const [cursor, keys] = [cursorOf(table), JSON.stringify([anyKey])]
    const range = { after: cursor, upTo: cursor }
    for (const work of [
      rows.read(db, tenant, { cursor, limit: 100 }),
      rows.insert(db, '[]'),
      rows.readKeys(db, tenant, keys),
      rows.checkKeys(db, tenant, keys),
      rows.deleteKeys(db, tenant, keys),
      rows.end(db, tenant, { cursor, limit: 100 }),
      rows.checksums(db, tenant, range),
      rows.digests(db, tenant, range),
      rows.deleteRange(db, tenant, range),
    ])
      await ignoring(work)
  }
}

async function moveTenant(db: Database): Promise<void> {
  const step = { tenant, step: 1, notes: undefined, open: async () => db }
  const [home, other] = ['shard0', 'shard1']
  const page = { home, other, table: 0, cursor: null, together: 10 }
  for (const action of [
    { kind: 'open', home, other, epoch: 2 },
    { kind: 'settle', home, horizon: '1' },
    { kind: 'carry', home, other, together: 10 },
    { kind: 'compare', ...page },
    { kind: 'fence', home, other, epoch: 2, phase: 'noting', together: 10 },
    { kind: 'place', shard: other, placed: { epoch: 2, state: 'active' }, phase: 'closed' },
  ] as const)
    await ignoring(runMoveAction(step, action))
}

/** The functions that send statements to the directory. */
export const ofDirectory: Readonly<Record<string, Use>> = {
  writeDirectory: (db) =>
    writeDirectory(db, { id: tenant, name: 'Seven', state: 'active' }, { shard: 'shard0', epoch: 1 }),
  selectTenants: (db) => selectTenants(db, 'tenant3', 100),
  pageOfTenants: (db) => pageOfTenants(db, 'tenant3', 100),
  deleteTenant: async (db) => {
    for (const table of tenantTables)
      if (table.name === 'tenants') await ignoring(deleteRows(db, table, tenant, { after: null, limit: 100 }))
  },
}

const days = { from: '2025-01-01', to: '2025-01-07' }
const after = { tenant, total: 5 }

/** A question that ends after its first page. */
function once(): () => boolean {
  let asked = 0
  return () => asked++ > 0
}

/** A recorder gives no rows that an adapter would accept. */
async function ignoring(work: unknown): Promise<void> {
  await Promise.resolve(work).catch(() => undefined)
}

/** What the given functions send. */
export async function statementsOf(uses: Readonly<Record<string, Use>>): Promise<SentStatement[]> {
  const all: SentStatement[] = []
  for (const [of, use] of Object.entries(uses)) {
    const recorder = new Recorder()
    await ignoring(Promise.resolve().then(() => use(recorder.database)))
    all.push(...recorder.sent.map((sent) => ({ of, ...sent })))
  }
  return all
}

/** A statement in the source: its static parts, in order. */
export interface WrittenStatement {
  readonly file: string
  readonly parts: readonly string[]
}

const begins = /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|COMMIT|MERGE|CALL|TRUNCATE|LOCK|VACUUM|ANALYZE)\b/
const adapters = join(import.meta.dirname, '../../src/adapters/neon')

/** Every text in the adapters of Postgres that begins like a statement. */
export async function writtenStatements(): Promise<WrittenStatement[]> {
  const found: WrittenStatement[] = []
  for await (const file of glob('*.ts', { cwd: adapters })) {
    const source = ts.createSourceFile(file, await readFile(join(adapters, file), 'utf8'), ts.ScriptTarget.Latest)
    const visit = (node: ts.Node): void => {
      const parts = partsOf(node)
      if (begins.test(parts[0] ?? '')) found.push({ file, parts })
      ts.forEachChild(node, (child) => {
        // String.raw`…` is what is written, without escapes.
        if (ts.isTaggedTemplateExpression(node) && child === node.template) {
          const raw = partsOf(child, true)
          if (begins.test(raw[0] ?? '')) found.push({ file, parts: raw })
          if (ts.isTemplateExpression(child)) for (const { expression } of child.templateSpans) visit(expression)
        } else visit(child)
      })
    }
    visit(source)
  }
  return found
}

/** The static parts of a text; none of another node. */
function partsOf(node: ts.Node, raw = false): string[] {
  const textOf = (part: ts.TemplateLiteralLikeNode) => (raw ? (part.rawText ?? part.text) : part.text)
  if (ts.isTemplateExpression(node))
    return [textOf(node.head), ...node.templateSpans.map(({ literal }) => textOf(literal))]
  if (ts.isNoSubstitutionTemplateLiteral(node)) return [textOf(node)]
  return ts.isStringLiteral(node) ? [node.text] : []
}

/** Whether a sent statement is made from a written one. */
export function isMadeFrom(sent: string, { parts }: WrittenStatement): boolean {
  let at = 0
  for (const part of parts) {
    const next = sent.indexOf(part, at)
    if (next < 0 || (at === 0 && next > 0)) return false
    at = next + part.length
  }
  return true
}
