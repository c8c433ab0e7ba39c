import { z } from 'zod'
import type { MoveAction, MoveAnswer, Phase, Placed } from '../../tenants/move.ts'
import { movedTables } from '../../tenants/move.ts'
import type { Database } from './connect.ts'
import { newKeys, rowsOf, type Checksum, type MovedRows, type NotedKey } from './moved-rows.ts'
import { named } from './named.ts'
import { setTenants } from './set-tenants.ts'

/** The tenant of a move, the number of its step, and the way to its shards. */
export interface MoveStep {
  readonly tenant: string
  readonly step: number
  /** Notes that the last step read after its own work, so that the next one need not ask. */
  readonly notes: Notes | undefined
  open(shard: string, use: 'read' | 'write'): Promise<Database>
}

/** Notes of changed rows, and whether there are more. */
export interface Notes {
  readonly found: readonly NotedKey[]
  readonly isMore: boolean
}

/** What came of a step. */
export interface MoveOutcome {
  readonly answer: MoveAnswer
  readonly notes?: Notes | undefined
}

/** Does one bounded piece of work of a move at its shards. Doing it again is harmless, whether or not it was done. */
export async function runMoveAction(at: MoveStep, action: MoveAction): Promise<MoveOutcome> {
  const step: MoveStep = { ...at, open: async (shard, use) => named(shard, await at.open(shard, use)) }
  switch (action.kind) {
    case 'open':
      return { answer: await openMove(step, action) }
    case 'settle': {
      const home = await step.open(action.home, 'read')
      return { answer: { kind: 'settled', isSettled: await isSettled(home, action.horizon) } }
    }
    case 'copy':
      return { answer: await copy(step, action) }
    case 'carry':
      return await carry(step, action)
    case 'compare':
      return { answer: await compare(step, action) }
    case 'fence':
      return await fence(step, action)
    case 'place':
      return { answer: await place(step, action) }
    case 'clear':
      return { answer: await clear(step, action) }
  }
}

type Of<K extends MoveAction['kind']> = Extract<MoveAction, { kind: K }>

const begin = (db: Database, { tenant, step }: MoveStep, phase: Phase | null = null) =>
  db.query('SELECT begin_move_step($1, $2, $3)', [tenant, step, phase])

/** An epoch that is not older than the one known there. */
const setPlacement = (db: Database, { tenant }: MoveStep, { epoch, state }: Placed) =>
  db.query(
    `INSERT INTO placements (tenant_id, epoch, state) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id) DO UPDATE SET epoch = excluded.epoch, state = excluded.state WHERE placements.epoch <= excluded.epoch`,
    [tenant, epoch, state],
  )

const dropNotes = (db: Database, { tenant }: MoveStep) =>
  db.query('DELETE FROM move_notes WHERE tenant_id = $1', [tenant])

/** Ids of conversations and users in an order that collations disagree about. */
const ordering = `SELECT string_agg(word, ' ' ORDER BY word) AS ordered FROM unnest(ARRAY['a', 'B', 'b', 'A', 'a-b', 'ab', 'a_b', 'a.c', '10', '9', '-', '_', 'Z', 'z']) AS word`
const columns = `
SELECT string_agg(table_name || '.' || column_name || ' ' || data_type, ', ' ORDER BY table_name, ordinal_position) AS columns
FROM information_schema.columns WHERE table_schema = 'public' AND table_name = ANY ($1::text[])`
const likeness = z.tuple([
  z.tuple([z.object({ ordered: z.string() })]),
  z.tuple([z.object({ columns: z.string().nullable() })]),
])
const names = movedTables.map(({ name }) => name)

async function likenessOf(db: Database): Promise<string> {
  const [[{ ordered }], [{ columns: found }]] = likeness.parse(
    await db.transaction([db.query(ordering), db.query(columns, [names])], { readOnly: true }),
  )
  return `${ordered}; ${found ?? ''}`
}

/** Why a shard cannot take a tenant; undefined when it can. */
export async function reasonNotTo(home: Database, other: Database, tenant: string): Promise<string | undefined> {
  const filled = await tableWithRows(other, tenant)
  if (filled !== undefined) return `it holds rows of the tenant already, in ${filled}; delete them first`
  const [left, right] = await Promise.all([likenessOf(home), likenessOf(other)])
  return left === right
    ? undefined
    : 'its tables or the order of its texts (collation) differ from those of the present shard'
}

async function tableWithRows(db: Database, tenant: string): Promise<string | undefined> {
  const asked = movedTables.map(({ name }) =>
    db.query(`SELECT EXISTS (SELECT 1 FROM ${name} WHERE tenant_id = $1) AS found`, [tenant]),
  )
  const [, ...answers] = await db.transaction([setTenants(db, [tenant]), ...asked], { readOnly: true })
  const found = z.array(z.tuple([z.object({ found: z.boolean() })])).parse(answers)
  return names[found.findIndex(([row]) => row.found)]
}

/** A tenant that is being moved to or from a shard, if any. */
export async function selectMoving(db: Database): Promise<string | undefined> {
  const rows = await db.query(`SELECT tenant_id FROM moves WHERE phase <> 'closed' LIMIT 1`)
  return z.array(z.object({ tenant_id: z.string() })).parse(rows)[0]?.tenant_id
}

/** Rows of a table that are counted for the estimate, at most. */
const maxCounted = 2_000_000

async function openMove(step: MoveStep, { home: from, other: to, epoch }: Of<'open'>): Promise<MoveAnswer> {
  const { tenant } = step
  const [home, other] = await Promise.all([step.open(from, 'write'), step.open(to, 'write')])
  const reason = await reasonNotTo(home, other, tenant)
  if (reason !== undefined) throw new Error(`to: the shard "${to}" cannot take the tenant: ${reason}`)
  await other.transaction([begin(other, step, 'arriving'), setPlacement(other, step, { epoch, state: 'moving' })])
  await home.transaction([begin(home, step, 'noting')])
  const counted = movedTables.map(({ name }) =>
    home.query(
      `SELECT count(*)::int8 AS rows FROM (SELECT 1 FROM ${name} WHERE tenant_id = $1 LIMIT ${maxCounted}) AS counted`,
      [tenant],
    ),
  )
  const horizonOf = home.query('SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS horizon')
  const [[{ horizon }], , ...rows] = z
    .tuple([z.tuple([z.object({ horizon: z.string() })]), z.unknown()])
    .rest(z.tuple([z.object({ rows: z.coerce.number() })]))
    .parse(await home.transaction([horizonOf, setTenants(home, [tenant]), ...counted], { readOnly: true }))
  return { kind: 'opened', horizon, estimated: rows.reduce((sum, [one]) => sum + one.rows, 0) }
}

/** Transactions that began before changes were noted may still commit some: nothing is copied before they have ended. */
async function isSettled(home: Database, horizon: string): Promise<boolean> {
  const [answer] = await home.transaction(
    [home.query('SELECT pg_snapshot_xmin(pg_current_snapshot())::text::numeric >= $1::numeric AS settled', [horizon])],
    { readOnly: true },
  )
  return z.tuple([z.object({ settled: z.boolean() })]).parse(answer)[0].settled
}

async function copy(
  step: MoveStep,
  { home: from, other: to, table, cursor, together }: Of<'copy'>,
): Promise<MoveAnswer> {
  const rows = tableAt(table)
  const home = await step.open(from, 'read')
  const found = await rows.read(home, step.tenant, { cursor, limit: together })
  if (found.rows > 0) {
    const other = await step.open(to, 'write')
    await other.transaction([begin(other, step), rows.insert(other, found.body)])
  }
  return { kind: 'copied', rows: found.rows, cursor: found.cursor }
}

const stores = movedTables.map(rowsOf)

function tableAt(table: number): MovedRows {
  const rows = stores[table]
  if (rows === undefined) throw new Error(`there is no table ${table} to move`)
  return rows
}

const noted = z.array(z.object({ id: z.string(), of_table: z.string(), key: z.string() }))

const selectNotes = (db: Database, tenant: string, limit: number) =>
  db.query(`SELECT id::text, of_table, key::text FROM move_notes WHERE tenant_id = $1 ORDER BY id LIMIT $2`, [
    tenant,
    limit + 1,
  ])

const notesIn = (answer: unknown, limit: number): Notes => {
  const found = noted.parse(answer).map(({ id, of_table, key }) => ({ id, table: of_table, key }))
  return { found: found.slice(0, limit), isMore: found.length > limit }
}

async function readNotes(db: Database, tenant: string, limit: number): Promise<Notes> {
  const [, answer] = await db.transaction([setTenants(db, [tenant]), selectNotes(db, tenant, limit)], {
    readOnly: true,
  })
  return notesIn(answer, limit)
}

/**
 * Copies rows that changed, as they are now: the note is read before the row, so that a later change has a note of its own. The
 * checksums of both sides are compared at once; notes go only when they are equal.
 */
async function carry(step: MoveStep, { home: from, other: to, together }: Of<'carry'>): Promise<MoveOutcome> {
  const { tenant } = step
  const home = await step.open(from, 'write')
  const { found, isMore } = step.notes ?? (await readNotes(home, tenant, together))
  if (found.length === 0) return { answer: { kind: 'carried', read: 0, rows: 0, unequal: 0, isMore: false } }
  const changed = stores.flatMap((rows) => {
    const keys = newKeys(found, rows.name)
    return keys === undefined ? [] : [{ rows, keys }]
  })
  const reads = changed.map(({ rows, keys }) => rows.readKeys(home, tenant, keys))
  const [, ...bodies] = await home.transaction([setTenants(home, [tenant]), ...reads], { readOnly: true })
  const contents = z.array(z.tuple([contentOf])).parse(bodies)
  const other = await step.open(to, 'write')
  const writes = changed.flatMap(({ rows, keys }, index) => [
    rows.deleteKeys(other, tenant, keys),
    rows.insert(other, contents[index]?.[0].body ?? '[]'),
    rows.checkKeys(other, tenant, keys),
  ])
  const [, ...written] = await other.transaction([begin(other, step), ...writes])
  const checks = z.array(z.tuple([checkOf])).parse(written.filter((_, index) => index % 3 === 2))
  const unequal = contents.reduce((sum, [{ rows, digest }], index) => {
    const check = checks[index]?.[0]
    return check?.digest === digest && check.rows === rows ? sum : sum + Math.max(1, rows)
  }, 0)
  const rows = contents.reduce((sum, [content]) => sum + content.rows, 0)
  if (unequal > 0) return { answer: { kind: 'carried', read: found.length, rows, unequal, isMore } }
  const [, , left] = await home.transaction([
    begin(home, step),
    home.query('DELETE FROM move_notes WHERE tenant_id = $1 AND id = ANY ($2::bigint[])', [
      tenant,
      found.map(({ id }) => id),
    ]),
    selectNotes(home, tenant, together),
  ])
  const notes = notesIn(left, together)
  return { answer: { kind: 'carried', read: found.length, rows, unequal: 0, isMore: notes.found.length > 0 }, notes }
}

const checkOf = z.object({ rows: z.coerce.number(), digest: z.string() })
const contentOf = checkOf.extend({ body: z.string() })

/**
 * Compares a range of rows by checksum. Where the sums differ, the keys of the rows that differ are noted like changes, so that
 * they are copied again; some were only changed in the moment between the two.
 */
async function compare(
  step: MoveStep,
  { home: from, other: to, table, cursor, together }: Of<'compare'>,
): Promise<MoveAnswer> {
  const { tenant } = step
  const rows = tableAt(table)
  const [home, other] = await Promise.all([step.open(from, 'write'), step.open(to, 'read')])
  const end = await rows.end(home, tenant, { cursor, limit: together })
  const range = { after: cursor, upTo: end }
  const [left, right] = await Promise.all([rows.checksums(home, tenant, range), rows.checksums(other, tenant, range)])
  const count = [...left.values()].reduce((sum, each) => sum + each.rows, 0)
  const none = { kind: 'compared', rows: count, cursor: end, differing: 0, differingIn: [] } as const
  if (areEqual(left, right)) return none
  const [ours, theirs] = await Promise.all([rows.digests(home, tenant, range), rows.digests(other, tenant, range)])
  const keys = [...new Set([...ours.keys(), ...theirs.keys()])].filter(
    (key) => ours.get(key)?.digest !== theirs.get(key)?.digest,
  )
  if (keys.length === 0) return none
  await home.transaction([
    begin(home, step),
    home.query(
      `INSERT INTO move_notes (tenant_id, of_table, key) SELECT $1, $2, key::json FROM unnest($3::text[]) AS key`,
      [tenant, rows.name, keys],
    ),
  ])
  const groups = keys.map((key) => `${rows.name} ${(ours.get(key) ?? theirs.get(key))?.group ?? ''}`)
  return { ...none, differing: keys.length, differingIn: [...new Set(groups)].slice(0, 20) }
}

const areEqual = (left: ReadonlyMap<string, Checksum>, right: ReadonlyMap<string, Checksum>): boolean =>
  left.size === right.size &&
  [...left].every(([group, { rows, digest }]) => right.get(group)?.digest === digest && right.get(group)?.rows === rows)

/**
 * Stops the writes of all epochs up to now: waits for transactions that are writing, and reads the rows that they noted in the same
 * transaction. With few of them a second transaction, on the other shard, copies and compares them, and lets it take writes when they
 * are equal. A process that ends between the two repeats both. Until the tenant's record has the new placement, no writer uses it.
 */
async function fence(
  step: MoveStep,
  { home: from, other: to, epoch, phase, together }: Of<'fence'>,
): Promise<MoveOutcome> {
  const { tenant } = step
  const [home, other] = await Promise.all([step.open(from, 'write'), step.open(to, 'write')])
  const [, , answer] = await home.transaction([
    begin(home, step, 'fenced'),
    setPlacement(home, step, { epoch, state: 'moving' }),
    selectNotedRows(home, tenant, together),
  ])
  const noted = z.array(notedRows).parse(answer)
  if (noted.some(({ notes }) => notes > together)) return { answer: { kind: 'fenced', rows: 0, isSwitched: false } }
  const copied = noted.map((one) => ({ ...one, table: tableNamed(one.of_table) }))
  const writes = copied.flatMap(({ table, keys, body }) => [
    table.deleteKeys(other, tenant, keys),
    table.insert(other, body),
  ])
  const switching = switchIfEqual(other, tenant, { epoch, phase, copied })
  const answers = await other.transaction([begin(other, step, 'arriving'), ...writes, switching])
  const [{ equal }] = z.tuple([z.object({ equal: z.boolean() })]).parse(answers.at(-1))
  const rows = copied.reduce((sum, one) => sum + one.rows, 0)
  return { answer: { kind: 'fenced', rows, isSwitched: equal } }
}

/** The rows of noted changes of all tables, and how many notes there are. */
const selectNotedRows = (db: Database, tenant: string, limit: number) =>
  db.query(
    `WITH noted AS MATERIALIZED (
  SELECT of_table, key::text AS key FROM move_notes WHERE tenant_id = $1 ORDER BY id LIMIT ${limit + 1}
), noted_keys AS (
  SELECT of_table, '[' || string_agg(DISTINCT key, ',') || ']' AS keys FROM noted GROUP BY of_table
)
SELECT found.*, (SELECT count(*) FROM noted) AS notes FROM (
  SELECT ${stores.map((rows) => rows.notedRows).join('\n  UNION ALL SELECT ')}
) AS found`,
    [tenant],
  )

const notedRows = contentOf.extend({ of_table: z.string(), keys: z.string(), notes: z.coerce.number() })

function tableNamed(name: string): MovedRows {
  const rows = stores.find((store) => store.name === name)
  if (rows === undefined) throw new Error(`changes of the table ${name} were noted, which does not move`)
  return rows
}

/** Lets the shard take writes of an epoch if these rows are as they were read. */
function switchIfEqual(
  db: Database,
  tenant: string,
  { epoch, phase, copied }: { readonly epoch: number; readonly phase: Phase; readonly copied: readonly Copied[] },
) {
  const checks = copied.map(({ table }, index) => `${table.checksum(4 + 2 * index)} = $${5 + 2 * index}`)
  return db.query(
    `WITH compared AS MATERIALIZED (
  SELECT ${checks.length === 0 ? 'true' : checks.join(' AND ')} AS equal
), placed AS (
  INSERT INTO placements (tenant_id, epoch, state) SELECT $1, $2::bigint, 'active' FROM compared WHERE equal
  ON CONFLICT (tenant_id) DO UPDATE SET epoch = excluded.epoch, state = excluded.state WHERE placements.epoch <= excluded.epoch
), phased AS (
  UPDATE moves SET phase = $3::text FROM compared WHERE tenant_id = $1 AND equal
)
SELECT equal FROM compared`,
    [tenant, epoch, phase, ...copied.flatMap(({ keys, rows, digest }) => [keys, `${rows} ${digest}`])],
  )
}

interface Copied {
  readonly table: MovedRows
  readonly keys: string
  readonly rows: number
  readonly digest: string
}

async function place(step: MoveStep, { shard, placed, phase }: Of<'place'>): Promise<MoveAnswer> {
  const db = await step.open(shard, 'write')
  const work = [begin(db, step, phase ?? null)]
  if (placed !== undefined) work.push(setPlacement(db, step, placed))
  // What was noted before the switch is on the other shard.
  if (phase === 'closed' || phase === 'arriving') work.push(dropNotes(db, step))
  await db.transaction(work)
  return { kind: 'done' }
}

async function clear(step: MoveStep, { other: to, table, cursor, together }: Of<'clear'>): Promise<MoveAnswer> {
  const rows = tableAt(table)
  const other = await step.open(to, 'write')
  const end = await rows.end(other, step.tenant, { cursor, limit: together })
  const [, answer] = await other.transaction([
    begin(other, step),
    rows.deleteRange(other, step.tenant, { after: cursor, upTo: end }),
  ])
  const [{ rows: deleted }] = z.tuple([z.object({ rows: z.coerce.number() })]).parse(answer)
  return { kind: 'cleared', rows: deleted, cursor: end }
}
