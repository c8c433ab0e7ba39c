import { Client } from 'pg'
import { z } from 'zod'
import { pause } from '../processes.ts'
import type { Found } from '../report/comparison.ts'
import type { Load, ParleySide } from './parley.ts'
import { countMessages, fillStatement } from './rows.ts'
import { postgresPause, Writer } from './writer.ts'

const tenant = 'demo'
const connections = 4
const table = `
CREATE TABLE messages (
  tenant_id text NOT NULL, conversation_id text NOT NULL, seq bigint NOT NULL, sent_at timestamptz NOT NULL, epoch text NOT NULL,
  user_id text NOT NULL, client text NOT NULL, client_id text, body text NOT NULL,
  PRIMARY KEY (tenant_id, conversation_id, seq, sent_at));
CREATE SEQUENCE numbers;
GRANT SELECT, INSERT, UPDATE, DELETE ON messages TO bench_writer;
GRANT USAGE ON SEQUENCE numbers TO bench_writer`
const insert = `
INSERT INTO messages VALUES ($1, $2, nextval('numbers'), now(), 'e', 'alice', 'phone', $3, $4)`

/**
 * The same rows moved by logical replication: a publication of the tenant, its copy, and a switch-over as a careful operator makes it.
 * The writers stop and what is under way ends; the former database refuses writes from then on; the subscriber has confirmed the whole
 * log; sequences, which are not replicated, are set; the writers connect to the new database and go on. A script does this without
 * a pause for thought; a person, or a pooler that has to pause and to reload, takes longer.
 */
export async function measureReplication(side: ParleySide, { messages, perSecond }: Load): Promise<Found> {
  const admin = await side.session('postgres')
  await admin.query(`CREATE ROLE bench_writer LOGIN PASSWORD '${writerPassword}'`)
  for (const name of ['peer0', 'peer1']) await admin.query(`CREATE DATABASE ${name}`)
  const [from, to] = [await side.session('peer0'), await side.session('peer1')]
  for (const session of [from, to]) await session.query(table)
  await from.query(fillStatement(tenant, messages))
  await from.query('ANALYZE messages')
  await from.query('CHECKPOINT')
  let lanes = await connected(from)
  let opened: Promise<void> = Promise.resolve()
  const underWay = new Set<number>()
  const writer = new Writer(perSecond, async (nth) => {
    await opened
    underWay.add(nth)
    try {
      const values = [tenant, `live${nth % 20}`, `n${nth}`, `{"type":"message","text":"live ${nth}"}`]
      await lanes[nth % connections]?.query(insert, values)
    } finally {
      underWay.delete(nth)
    }
  })
  await pause(5000)
  const beganAt = performance.now()
  await from.query(`CREATE PUBLICATION moved FOR TABLE messages WHERE (tenant_id = '${tenant}')`)
  await from.query(`SELECT pg_create_logical_replication_slot('moved', 'pgoutput')`)
  await to.query(
    `CREATE SUBSCRIPTION moved CONNECTION '${connectionOf(from)}' PUBLICATION moved WITH (create_slot = false, slot_name = 'moved')`,
  )
  const isCopied = async () =>
    (await to.query(`SELECT 1 FROM pg_subscription_rel WHERE srsubstate = 'r'`)).rows.length > 0
  while (!(await isCopied())) await pause(50)
  const copiedAt = performance.now()
  await pause(2000)

  const gate = Promise.withResolvers<void>()
  const stoppedAt = performance.now()
  opened = gate.promise
  while (underWay.size > 0) await new Promise((next) => setImmediate(next))
  await from.query('REVOKE INSERT, UPDATE, DELETE ON messages FROM bench_writer')
  const former = lanes
  const at = lsn.parse((await from.query('SELECT pg_current_wal_lsn() AS lsn')).rows)[0].lsn
  const isConfirmed = async () =>
    (
      await admin.query(`SELECT 1 FROM pg_replication_slots WHERE slot_name = 'moved' AND confirmed_flush_lsn >= $1`, [
        at,
      ])
    ).rows.length > 0
  while (!(await isConfirmed())) await pause(1)
  const confirmedAt = performance.now()
  const [{ last }] = lastOfSequence.parse((await from.query('SELECT last_value AS last FROM numbers')).rows)
  await to.query(`SELECT setval('numbers', $1)`, [last])
  const connectsAt = performance.now()
  lanes = await connected(to)
  gate.resolve()
  const goesOnAt = performance.now()

  await pause(5000)
  await writer.stop()
  await to.query('ALTER SUBSCRIPTION moved DISABLE')
  await to.query('DROP SUBSCRIPTION moved')
  const there = await countMessages(to, tenant)
  for (const lane of [...former, ...lanes]) await lane.end()
  for (const session of [from, to]) await session.end()
  for (const name of ['peer0', 'peer1']) await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
  await admin.query('DROP ROLE bench_writer')
  if (writer.failures.length > 0) throw new Error(`a message was refused: ${writer.failures[0]}`)
  return {
    ...writer.atSwitch({ from: stoppedAt, to: goesOnAt }, { from: beganAt - 4000, to: beganAt }),
    [postgresPause]: goesOnAt - stoppedAt,
    '… until the subscriber has confirmed the log, ms': confirmedAt - stoppedAt,
    '… while the writers connect, ms': goesOnAt - connectsAt,
    'longest wait of a sender during the move, ms': writer.longestWait(beganAt, goesOnAt),
    'rows copied a second': (1000 * messages) / (copiedAt - beganAt),
    'from its begin to the switch, s': (goesOnAt - beganAt) / 1000,
    'rows lost': messages + writer.sent.length - there.places,
    'rows twice': there.rows - there.places,
  }
}

const connectionOf = ({ host, port, database, user, password }: Client): string =>
  `host=${host} port=${port} dbname=${database} user=${user} password=${String(password)} application_name=moved`

const writerPassword = 'of-the-bench'
const lsn = z.tuple([z.object({ lsn: z.string() })])
const lastOfSequence = z.tuple([z.object({ last: z.string() })])

/** The writers' connections to the database of a session. */
const connected = ({ host, port, database }: Client): Promise<Client[]> =>
  Promise.all(
    Array.from({ length: connections }, async () => {
      const lane = new Client({ host, port, database, user: 'bench_writer', password: writerPassword })
      await lane.connect()
      return lane
    }),
  )
