import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { archiveMessages } from '../../src/adapters/neon/archive-messages.ts'
import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { placeOnShard } from '../../src/adapters/neon/placements.ts'
import { writeSearchLanguage } from '../../src/adapters/neon/search-settings.ts'
import { rollUpUsage } from '../../src/adapters/neon/usage.ts'
import { writeBatches } from '../../src/adapters/neon/write-batches.ts'
import { loadConfig } from '../../src/config.ts'
import type { ProjectedRow, ProjectionBatch } from '../../src/events/projection.ts'
import { isEnded, movedTables, stateOf } from '../../src/tenants/move.ts'
import type { Placement } from '../../src/tenants/record.ts'
import { readRange } from '../support/read-range.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'
import { TestMove, type Fate } from '../support/test-move.ts'

let world: ShardWorld
const shards = new Map<string, Database>()
const owners = new Map<string, Client>()
const names = ['shard0', 'shard1'] as const

beforeAll(async () => {
  world = await startShardWorld({ shards: names })
  const config = loadConfig(world.vars)
  for (const name of names) {
    shards.set(name, connect(config, config.databaseUrl(`DATABASE_URL_${name.toUpperCase()}`)))
    const owner = await world.session(name, 'owner')
    await owner.query('ALTER ROLE CURRENT_USER BYPASSRLS')
    await owner.query(`SELECT create_message_partition('2026-10-01'), create_message_partition('2026-11-01')`)
    owners.set(name, owner)
  }
})
afterAll(async () => await world.close())

const at = (shard: string): Database => shards.get(shard) ?? expect.unreachable()
const sentAt = Date.UTC(2026, 10, 1, 0, 0, 0, 123)

/** Every row of the tenant on a shard, table by table. */
async function rowsOn(shard: string, tenant: string): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {}
  for (const { name } of movedTables) {
    const { rows } = (await owners
      .get(shard)
      ?.query<{ line: string }>(`SELECT to_json(t)::text AS line FROM ${name} t WHERE tenant_id = $1`, [tenant])) ?? {
      rows: [],
    }
    found[name] = rows.map(({ line }) => line).toSorted()
  }
  return found
}

const count = (found: Record<string, string[]>) => Object.values(found).reduce((sum, rows) => sum + rows.length, 0)

/** Writes as the conversations of a tenant do: each keeps what was not confirmed, and asks for the placement when it is refused. */
class Writers {
  readonly tenant: string
  readonly #placement: () => Placement
  #known: Placement
  readonly #tops = new Map<string, number>()
  readonly #watermarks = new Map<string, number>()
  readonly scrubbed = new Set<string>()
  /** Deletions that were sent: one that was not confirmed may be done or not. */
  readonly asked = new Set<string>()
  #version = 0

  constructor(tenant: string, placement: () => Placement) {
    this.tenant = tenant
    this.#placement = placement
    this.#known = placement()
  }

  row(conversation: string, seq: number): ProjectedRow {
    const data = JSON.stringify({ type: 'message', text: `"${conversation}" ${seq}\n👩‍🍳`, data: { nul: '\u0000' } })
    // Some of October, so that there are two months.
    const sent = sentAt + (seq - 20) * 3_600_000
    return { seq, at: sent, user: 'alice', client: '', clientId: `c${seq}`, data }
  }

  say(conversation: string, messages: number): void {
    this.#tops.set(conversation, (this.#tops.get(conversation) ?? 0) + messages)
  }

  get conversations(): string[] {
    return [...this.#tops.keys()]
  }

  watermark(conversation: string): number {
    return this.#watermarks.get(conversation) ?? 0
  }

  /** One attempt of a conversation to write what Postgres lacks. */
  async project(conversation: string, scrub?: number, isChanged = true): Promise<void> {
    const top = this.#tops.get(conversation) ?? 0
    const from = this.watermark(conversation)
    const rows = Array.from({ length: Math.min(50, top - from) }, (_, index) =>
      this.row(conversation, from + index + 1),
    )
    const scrubbed = scrub !== undefined && scrub <= from ? [scrub] : []
    const version = ++this.#version
    const batch: ProjectionBatch = {
      tenant: this.tenant,
      placementEpoch: this.#known.epoch,
      conversation,
      epoch: 'e',
      rows,
      scrubbed,
      ...(isChanged && {
        facts: {
          type: 'group',
          name: `${conversation} ${version}`,
          createdBy: 'alice',
          createdAt: sentAt,
          deletedAt: null,
          version,
          members: ['alice', `bob${version % 3}`].map((user) => ({ user, role: 'member', joinedAt: sentAt })),
          isComplete: true,
        },
      }),
    }
    for (const seq of scrubbed) this.asked.add(`${conversation}/${seq}`)
    try {
      const [answer] = await writeBatches(at(this.#known.shard), [batch])
      if (answer?.kind === 'misplaced') {
        this.#known = this.#placement()
        return
      }
      this.#watermarks.set(conversation, from + rows.length)
      for (const seq of scrubbed) this.scrubbed.add(`${conversation}/${seq}`)
    } catch (thrown) {
      // A statement that began before the fence is refused by the shard; it is written again later.
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'PM001')) throw thrown
    }
  }

  /** Goes on where others were, with the placement that they knew. */
  takeOver(others: Writers): void {
    this.#known = others.#known
    for (const [conversation, top] of others.#tops) this.#tops.set(conversation, top)
    for (const [conversation, watermark] of others.#watermarks) this.#watermarks.set(conversation, watermark)
    this.#version = others.#version
  }

  /** Each message once, in the messages or in the archive, and each conversation in its last version. */
  async expectExactly({ messages = [], archive = [], conversations = [], members = [] }: Record<string, string[]>) {
    const seqs = z.object({ conversation_id: z.string(), seq: z.number() })
    const pages = z.object({ conversation_id: z.string(), seqs: z.array(z.number()) })
    const found = [
      ...messages.map((line) => seqs.parse(JSON.parse(line))).map((row) => `${row.conversation_id}/${row.seq}`),
      ...archive
        .map((line) => pages.parse(JSON.parse(line)))
        .flatMap((row) => row.seqs.map((seq) => `${row.conversation_id}/${seq}`)),
    ]
    const written = [...this.#tops].flatMap(([conversation, top]) =>
      Array.from({ length: top }, (_, index) => `${conversation}/${index + 1}`),
    )
    expect(found.toSorted()).toEqual(written.toSorted())
    const versioned = z.object({ conversation_id: z.string(), version: z.number() })
    const versions = new Map(
      conversations.map((line) => versioned.parse(JSON.parse(line))).map((row) => [row.conversation_id, row.version]),
    )
    expect([...versions.keys()].toSorted()).toEqual(this.conversations.toSorted())
    for (const line of members) {
      const { conversation_id, version } = versioned.parse(JSON.parse(line))
      expect(version).toBe(versions.get(conversation_id))
    }
    expect(members).toHaveLength(2 * conversations.length)
  }

  /** Everything is written. */
  async settle(): Promise<void> {
    for (const conversation of this.conversations)
      while (this.watermark(conversation) < (this.#tops.get(conversation) ?? 0)) await this.project(conversation)
  }

  /** What a reader of the placement in force finds is what was confirmed. */
  async expectHistory(): Promise<void> {
    const { shard } = this.#placement()
    for (const conversation of this.conversations) {
      const watermark = this.watermark(conversation)
      const range = { first: 1, last: 10_000 }
      const found = await readRange(at(shard), { tenant: this.tenant, conversation, epoch: 'e' }, range)
      // A write whose answer was lost may be there besides.
      expect(found.slice(0, watermark).map(({ offset }) => offset)).toEqual(
        Array.from({ length: watermark }, (_, index) => index + 1),
      )
      for (const { offset, data } of found)
        if (this.scrubbed.has(`${conversation}/${offset}`)) expect(data).toContain('"deleted"')
        else if (!this.asked.has(`${conversation}/${offset}`) || !data.includes('"deleted"'))
          expect(data).toBe(this.row(conversation, offset).data)
    }
  }
}

async function tenantWith(id: string, conversations: number, messages: number): Promise<Writers> {
  await placeOnShard(at('shard0'), id, { shard: 'shard0', epoch: 1 })
  const writers = new Writers(id, () => ({ shard: 'shard0', epoch: 1 }))
  for (let n = 0; n < conversations; n++) writers.say(`c${n}`, messages)
  await writers.settle()
  await writeSearchLanguage(at('shard0'), id, 'english')
  await rollUpUsage(at('shard0'), [id], sentAt - 86_400_000 * 40, [
    { tenant: id, day: '2026-11-01', jobs: 7, connectionsPeak: 3, requests: 0, commands: 0 },
  ])
  return writers
}

const placedAt0 = { shard: 'shard0', epoch: 1 }

test('a tenant is moved with every row of every table as it was, and its former shard is empty when the move is confirmed', async () => {
  await tenantWith('whole', 3, 130)
  await archiveMessages(at('shard0'), 'whole', sentAt + 85 * 3_600_000, 10)
  await tenantWith('beside', 1, 5)
  const before = await rowsOn('shard0', 'whole')
  expect(Object.values(before).every((rows) => rows.length > 0)).toBe(true)
  const move = new TestMove('whole', shards, placedAt0, 'shard1')
  await move.until('warm')
  expect(await rowsOn('shard1', 'whole')).toEqual(before)
  expect(await rowsOn('shard0', 'whole')).toEqual(before)
  expect(move.placement).toEqual({ shard: 'shard1', epoch: 2 })
  move.decide('confirm')
  await move.until('done')
  expect(stateOf(move.move)).toBe('confirmed')
  expect(await rowsOn('shard1', 'whole')).toEqual(before)
  expect(count(await rowsOn('shard0', 'whole'))).toBe(0)
  expect(count(await rowsOn('shard0', 'beside'))).toBeGreaterThan(0)
  expect(move.move).toMatchObject({ copied: count(before), estimated: count(before), compared: count(before) })
  expect(move.move).toMatchObject({ deleted: count(before), differing: 0, fences: 1 })
})

/** Numbers that follow from a seed. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

describe('whatever step is cut off, and whatever is written meanwhile', () => {
  test.each([
    ['confirm', 1],
    ['reverse after the switch', 3],
    ['reverse at any step', 7],
  ] as const)(
    'nothing is lost, nothing is there twice, and history is right at each moment: %s (%i)',
    async (end, seed) => {
      const tenant = `story${seed}`
      const random = chance(seed)
      const writers = await tenantWith(tenant, 3, 40)
      const move = new TestMove(tenant, shards, placedAt0, 'shard1')
      const live = new Writers(tenant, () => move.placement)
      live.takeOver(writers)
      const reverseAt = end === 'reverse at any step' ? 2 + Math.floor(random() * 30) : Infinity
      for (let nth = 0; !isEnded(move.move); nth++) {
        expect([nth, move.move.error], String(move.lastError)).not.toEqual([400, expect.anything()])
        if (nth === reverseAt && !isEnded(move.move)) move.decide('reverse')
        if (move.move.stage === 'warm' && nth < reverseAt && random() < 0.6) {
          if (end === 'confirm') move.decide('confirm')
          else if (!move.move.isReverseAsked) move.decide('reverse')
        }
        const fate: Fate = random() < 0.2 ? 'cut' : random() < 0.25 ? 'lost' : random() < 0.2 ? 'half' : 'done'
        // Steps that are cut off take few rows at once: beside writers that never rest they would not catch up for hundreds of steps.
        const activity = nth % 20 < 10 ? 0.5 : 0.05
        const writing = live.conversations.filter(() => random() < activity)
        for (const conversation of writing) live.say(conversation, Math.floor(random() * 4))
        await Promise.all([
          move.step(fate),
          ...writing.map((conversation) =>
            live.project(conversation, random() < 0.3 ? 1 + Math.floor(random() * 60) : undefined),
          ),
          ...(random() < 0.1 ? [archiveQuietly(move.placement.shard, tenant, random() * 60)] : []),
        ])
        await live.expectHistory()
      }
      await live.settle()
      await live.expectHistory()
      const { shard } = move.placement
      const other = shard === 'shard0' ? 'shard1' : 'shard0'
      expect(stateOf(move.move)).toBe(end === 'confirm' ? 'confirmed' : 'reversed')
      expect(shard).toBe(end === 'confirm' ? 'shard1' : 'shard0')
      expect(count(await rowsOn(other, tenant))).toBe(0)
      await live.expectExactly(await rowsOn(shard, tenant))
      await expectNoNotes(tenant)
    },
  )
})

/** Archiving checks no epoch: the shard refuses it while the tenant moves in or is fenced. */
async function archiveQuietly(shard: string, tenant: string, hours: number): Promise<void> {
  try {
    await archiveMessages(at(shard), tenant, sentAt + Math.floor(hours + 80) * 3_600_000, 3)
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'PM001')) throw thrown
  }
}

async function expectNoNotes(tenant: string): Promise<void> {
  for (const owner of owners.values()) {
    const { rows } = await owner.query('SELECT 1 FROM move_notes WHERE tenant_id = $1', [tenant])
    expect(rows).toEqual([])
  }
}

describe('writers', () => {
  test('of the epoch before a fence are refused from then on, on both shards', async () => {
    const writers = await tenantWith('fenced', 1, 5)
    const move = new TestMove('fenced', shards, placedAt0, 'shard1')
    await move.fence()
    writers.say('c0', 1)
    await writers.project('c0')
    expect(writers.watermark('c0')).toBe(5)
    await move.until('warm')
    await writers.project('c0')
    expect(writers.watermark('c0')).toBe(5)
    expect(await rowsOn('shard0', 'fenced')).toEqual(await rowsOn('shard1', 'fenced'))
    const moved = new Writers('fenced', () => move.placement)
    moved.takeOver(writers)
    await moved.settle()
    expect((await rowsOn('shard1', 'fenced'))['messages']).toHaveLength(6)
  })

  test('with a transaction that is open when the fence is set delay it, and lose nothing', async () => {
    await tenantWith('open', 1, 5)
    const move = new TestMove('open', shards, placedAt0, 'shard1')
    await move.until('fence')
    const writer = await writing('open', 6)
    const fenced = move.step()
    // The fence waits for a lock that the writer holds.
    await expect.poll(async () => await waiting('shard0')).toBe(1)
    await writer.query('COMMIT')
    await fenced
    await move.until('warm')
    expect((await rowsOn('shard1', 'open'))['messages']).toHaveLength(6)
  })

  test('with a transaction that began before changes were noted are waited for before anything is copied', async () => {
    await tenantWith('early', 1, 5)
    const writer = await writing('early', 6)
    const move = new TestMove('early', shards, placedAt0, 'shard1')
    for (let nth = 0; nth < 3; nth++) await move.step()
    expect(move.move).toMatchObject({ stage: 'settle', error: null })
    await writer.query('COMMIT')
    await move.until('warm')
    expect((await rowsOn('shard1', 'early'))['messages']).toHaveLength(6)
  })

  test('that have begun to write more than messages are not reported as written whole, when the fence is set between two statements', async () => {
    const writers = await tenantWith('between', 1, 5)
    const move = new TestMove('between', shards, placedAt0, 'shard1')
    await move.until('fence')
    // Holds up the deletion of a text after the check of the epoch.
    const holder = await world.session('shard0', 'app')
    await holder.query(`BEGIN; SELECT pg_advisory_xact_lock(hashtext('archive/between'))`)
    const projected = writers.project('c0', 3, false)
    await expect.poll(async () => await waiting('shard0')).toBe(1)
    await move.step()
    expect(move.move.stage).toBe('release')
    await holder.query('COMMIT')
    await projected
    expect(writers.scrubbed.size).toBe(0)
  })

  test('that check no epoch are refused where the tenant is not, or is fenced', async () => {
    await tenantWith('unchecked', 1, 5)
    const move = new TestMove('unchecked', shards, placedAt0, 'shard1')
    const count = (shard: string) =>
      rollUpUsage(at(shard), ['unchecked'], sentAt, [
        { tenant: 'unchecked', day: '2026-11-02', jobs: 1, connectionsPeak: 1, requests: 0, commands: 0 },
      ])
    await move.until('copy')
    await expect(count('shard1')).rejects.toThrow('the tenant unchecked is moving')
    await count('shard0')
    await move.fence()
    await expect(count('shard0')).rejects.toThrow('the tenant unchecked is moving')
    await move.until('warm')
    await expect(count('shard0')).rejects.toThrow('the tenant unchecked is moving')
    await count('shard1')
    expect((await rowsOn('shard1', 'unchecked'))['usage']).toHaveLength(2 + 1)
  })
})

/** A session that has written a message in a transaction and not committed it, as a writer that was cut off. */
async function writing(tenant: string, seq: number): Promise<Client> {
  const session = await world.session('shard0', 'app')
  await session.query('BEGIN')
  await session.query(`SELECT set_config('app.tenants', $1, true)`, [tenant])
  await session.query(
    `INSERT INTO messages (tenant_id, conversation_id, seq, sent_at, epoch, user_id, client, client_id, body)
     VALUES ($1, 'c0', $2, now(), 'e', 'alice', '', 'x', '{}')`,
    [tenant, seq],
  )
  return session
}

async function waiting(shard: string): Promise<number> {
  const { rows } = (await owners
    .get(shard)
    ?.query(
      `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = $1)`,
      [shard],
    )) ?? { rows: [] }
  return rows.length
}

/** Notes of a tenant's messages that nothing has changed, so many for each. */
const noteOften = (tenant: string, times: number) =>
  owners.get('shard0')?.query(
    `INSERT INTO move_notes (tenant_id, of_table, key)
     SELECT tenant_id, 'messages', json_build_object('conversation_id', conversation_id, 'seq', seq, 'sent_at', sent_at)
     FROM messages, generate_series(1, $2) WHERE tenant_id = $1`,
    [tenant, times],
  )

describe('a fence', () => {
  test('copies what changed last, compares it and lets the other shard take writes in one step', async () => {
    const writers = await tenantWith('quick', 2, 5)
    const move = new TestMove('quick', shards, placedAt0, 'shard1')
    await move.until('fence')
    writers.say('c0', 3)
    await writers.project('c0', 2)
    await move.step()
    expect(move.move).toMatchObject({ stage: 'release', home: 'shard1', epoch: 2, fencedAt: null, error: null })
    expect(await rowsOn('shard1', 'quick')).toEqual(await rowsOn('shard0', 'quick'))
    await move.until('warm')
    await expectNoNotes('quick')
  })

  test('is up until all is copied when very many rows changed since the last look', async () => {
    await tenantWith('many', 2, 40)
    const move = new TestMove('many', shards, placedAt0, 'shard1')
    await move.until('fence')
    await noteOften('many', 20)
    await move.step()
    expect(move.move.stage).toBe('drain')
    await move.until('warm')
    expect(await rowsOn('shard1', 'many')).toEqual(await rowsOn('shard0', 'many'))
    await expectNoNotes('many')
  })

  test('switches nothing while the copied rows are not equal, and is taken down with the reason', async () => {
    const writers = await tenantWith('unequal', 1, 5)
    const move = new TestMove('unequal', shards, placedAt0, 'shard1')
    await move.until('fence')
    await noteOften('unequal', 1)
    const owner = owners.get('shard1')
    await owner?.query(
      `CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := 'spoilt'; RETURN NEW; END $$`,
    )
    await owner?.query(
      `CREATE TRIGGER spoil BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.tenant_id = 'unequal') EXECUTE FUNCTION spoil()`,
    )
    await move.until('reopen')
    expect(move.move.error).toContain('5 rows differ on "shard1"')
    await move.until('carry')
    writers.say('c0', 1)
    const live = new Writers('unequal', () => move.placement)
    live.takeOver(writers)
    await live.settle()
    expect(move.placement.shard).toBe('shard0')
    await owner?.query('DROP TRIGGER spoil ON messages; DROP FUNCTION spoil')
    await move.until('warm')
    expect(await rowsOn('shard1', 'unequal')).toEqual(await rowsOn('shard0', 'unequal'))
  })

  test('with a lost answer is taken down, and the shard that was to take writes gets none', async () => {
    const writers = await tenantWith('unsure', 1, 5)
    const move = new TestMove('unsure', shards, placedAt0, 'shard1')
    await move.until('fence')
    await move.step('lost')
    expect(move.move.stage).toBe('fence')
    move.decide('reverse')
    const live = new Writers('unsure', () => move.placement)
    live.takeOver(writers)
    live.say('c0', 2)
    await move.until('clear')
    await live.settle()
    await move.until('done')
    expect(move.placement).toEqual({ shard: 'shard0', epoch: 3 })
    expect(count(await rowsOn('shard1', 'unsure'))).toBe(0)
    await live.expectExactly(await rowsOn('shard0', 'unsure'))
  })
})

describe('a step', () => {
  test('that arrives late changes nothing any more', async () => {
    await tenantWith('late', 1, 5)
    const move = new TestMove('late', shards, placedAt0, 'shard1')
    await move.until('fence')
    const late = move.move
    move.decide('reverse')
    await move.until('done')
    const again = new TestMove('late', shards, placedAt0, 'shard1')
    again.move = { ...late, notBefore: 0 }
    await again.step()
    expect(again.move.error).toContain('is over: a later one has begun')
    const before = await rowsOn('shard0', 'late')
    const next = new TestMove('late', shards, move.placement, 'shard1', move.move)
    await next.until('warm')
    expect(await rowsOn('shard1', 'late')).toEqual(before)
  })

  test('at a shard that is away is repeated after growing pauses; a fence is taken down meanwhile', async () => {
    const writers = await tenantWith('away', 1, 5)
    const move = new TestMove('away', shards, placedAt0, 'shard1')
    await move.fence()
    move.away.add('shard1')
    const waits: number[] = []
    for (let nth = 0; move.move.stage === 'fence' && nth < 50; nth++) {
      await move.step()
      waits.push(move.move.notBefore - move.now)
    }
    expect(move.move.stage).toBe('reopen')
    expect(move.move.error).toContain('shard1 is away')
    await move.step()
    expect(move.placement).toEqual({ shard: 'shard0', epoch: 3 })
    const live = new Writers('away', () => move.placement)
    live.takeOver(writers)
    live.say('c0', 3)
    await live.settle()
    expect(live.watermark('c0')).toBe(8)
    for (let nth = 0; nth < 5; nth++) {
      await move.step()
      waits.push(move.move.notBefore - move.now)
    }
    expect(move.move.stage).toBe('carry')
    expect(waits.at(-1)).toBeGreaterThan(10_000 / 2)
    move.away.clear()
    await move.until('warm')
    expect(move.placement).toEqual({ shard: 'shard1', epoch: 4 })
    expect((await rowsOn('shard1', 'away'))['messages']).toHaveLength(8)
  })
})

describe('a shard in trouble', () => {
  test.each([
    ['shard0', 'copies rows from', 'read-only', '25006'],
    ['shard1', 'copies rows to', 'read-only', '25006'],
    ['shard1', 'copies rows to', 'out of space', '53100'],
  ])(
    '%s, which a move %s, is named when it is %s, and the move goes on when it is well',
    async (shard, _, trouble, code) => {
      const tenant = `trouble-${shard}-${code}`
      await tenantWith(tenant, 1, 30)
      const owner = owners.get(shard)
      const table = shard === 'shard0' ? 'moves' : 'messages'
      const move = new TestMove(tenant, shards, placedAt0, 'shard1')
      await move.until(shard === 'shard0' ? 'fence' : 'copy')
      await owner?.query(
        `CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE '${trouble}' USING ERRCODE = '${code}'; END $$`,
      )
      await owner?.query(
        `CREATE TRIGGER trouble BEFORE INSERT ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION trouble()`,
      )
      for (let nth = 0; nth < 20 && move.move.failures === 0; nth++) await move.step()
      expect(move.move.error).toContain(`${shard}: `)
      expect(move.move.error).toContain(trouble)
      await owner?.query(`DROP TRIGGER trouble ON ${table}`)
      await owner?.query('DROP FUNCTION trouble')
      await move.until('warm')
      expect(move.move.error).toBeNull()
      expect(await rowsOn('shard1', tenant)).toEqual(await rowsOn('shard0', tenant))
    },
  )
})

describe('the comparison', () => {
  test('finds rows that differ, are missing or are too many, names their conversation and month, and has them copied again', async () => {
    await tenantWith('differ', 2, 40)
    const move = new TestMove('differ', shards, placedAt0, 'shard1')
    await move.until('compare')
    const owner = owners.get('shard1')
    await owner?.query(`SET session_replication_role = replica`)
    await owner?.query(
      `UPDATE messages SET body = 'other' WHERE tenant_id = 'differ' AND conversation_id = 'c0' AND seq = 3`,
    )
    await owner?.query(`DELETE FROM messages WHERE tenant_id = 'differ' AND conversation_id = 'c1' AND seq = 30`)
    await owner?.query(`INSERT INTO members VALUES ('differ', 'c1', 'mallory', 'owner', now(), 1)`)
    await owner?.query(`SET session_replication_role = origin`)
    await move.until('warm')
    expect(move.move).toMatchObject({ differing: 3 })
    expect(move.move.differingIn.toSorted()).toEqual(['members c1 ', 'messages c0 2026-10', 'messages c1 2026-11'])
    expect(await rowsOn('shard1', 'differ')).toEqual(await rowsOn('shard0', 'differ'))
  })
})

test('a shard that has rows of the tenant is not moved to, and a move that is reversed then deletes none of them', async () => {
  await tenantWith('foreign', 1, 5)
  await owners.get('shard1')?.query(`INSERT INTO members VALUES ('foreign', 'c1', 'mallory', 'owner', now(), 1)`)
  const move = new TestMove('foreign', shards, placedAt0, 'shard1')
  await move.step()
  expect(move.move.error).toContain('it holds rows of the tenant already, in members')
  move.decide('reverse')
  await move.until('done')
  expect((await rowsOn('shard1', 'foreign'))['members']).toHaveLength(1)
  expect(move.placement).toEqual(placedAt0)
})

test('while changes are noted other tenants of the shard are written as usual', async () => {
  await tenantWith('moving', 1, 5)
  const move = new TestMove('moving', shards, placedAt0, 'shard1')
  await move.fence()
  const other = await tenantWith('staying', 1, 5)
  expect(other.watermark('c0')).toBe(5)
  await expectNoNotes('staying')
})
