import type { Client } from 'pg'
import { z } from 'zod'
import { pause } from '../processes.ts'
import type { Found } from '../report/comparison.ts'
import type { Load, ParleySide } from './parley.ts'
import { countMessages, fillStatement } from './rows.ts'
import { Writer } from './writer.ts'

const tenant = 'demo'
const connections = 4
const table = `
CREATE TABLE messages (
  tenant_id text NOT NULL, conversation_id text NOT NULL, seq bigint NOT NULL, sent_at timestamptz NOT NULL, epoch text NOT NULL,
  user_id text NOT NULL, client text NOT NULL, client_id text, body text NOT NULL,
  PRIMARY KEY (tenant_id, conversation_id, seq, sent_at))`
const insert = `
INSERT INTO messages VALUES ($1, $2, $3, now(), 'e', 'alice', 'phone', $4, $5)`

/**
 * The same rows moved by logical replication: a publication of the tenant, its copy, and a switch-over that stops the writers, waits
 * until the subscriber has applied all of the log, and lets them go on there.
 */
export async function measureReplication(side: ParleySide, { messages, perSecond }: Load): Promise<Found> {
  const admin = await side.session('postgres')
  for (const name of ['peer0', 'peer1']) await admin.query(`CREATE DATABASE ${name}`)
  const [from, to] = [await side.session('peer0'), await side.session('peer1')]
  for (const session of [from, to]) await session.query(table)
  await from.query(fillStatement(tenant, messages))
  await from.query('ANALYZE messages')
  await from.query('CHECKPOINT')
  const lanes = {
    peer0: await Promise.all(Array.from({ length: connections }, () => side.session('peer0'))),
    peer1: await Promise.all(Array.from({ length: connections }, () => side.session('peer1'))),
  }
  let home: 'peer0' | 'peer1' = 'peer0'
  let opened: Promise<void> = Promise.resolve()
  const underWay = new Set<number>()
  const writer = new Writer(perSecond, async (nth) => {
    await opened
    underWay.add(nth)
    try {
      const lane = lanes[home][nth % connections]
      const values = [
        tenant,
        `live${nth % 20}`,
        Math.floor(nth / 20) + 1,
        `n${nth}`,
        `{"type":"message","text":"live ${nth}"}`,
      ]
      await lane?.query(insert, values)
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
  const at = z
    .tuple([z.object({ lsn: z.string() })])
    .parse((await from.query('SELECT pg_current_wal_lsn() AS lsn')).rows)[0].lsn
  const isApplied = async () =>
    (await admin.query(`SELECT 1 FROM pg_stat_replication WHERE application_name = 'moved' AND replay_lsn >= $1`, [at]))
      .rows.length > 0
  while (!(await isApplied())) await pause(1)
  home = 'peer1'
  gate.resolve()
  const goesOnAt = performance.now()

  await pause(5000)
  await writer.stop()
  await to.query('ALTER SUBSCRIPTION moved DISABLE')
  await to.query('DROP SUBSCRIPTION moved')
  const there = await countMessages(to, tenant)
  for (const lane of [...lanes.peer0, ...lanes.peer1]) await lane.end()
  for (const session of [from, to]) await session.end()
  for (const name of ['peer0', 'peer1']) await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
  if (writer.failures.length > 0) throw new Error(`a message was refused: ${writer.failures[0]}`)
  return {
    'writes to Postgres wait, ms': goesOnAt - stoppedAt,
    'longest time without an acknowledgement before the move, ms': writer.longestGap(beganAt - 4000, beganAt),
    'longest time without an acknowledgement during the move, ms': writer.longestGap(beganAt, goesOnAt + 1000),
    'longest wait of a sender meanwhile, ms': writer.longestWait(stoppedAt, goesOnAt),
    'longest wait of a sender in as long a time before the move, ms': writer.usualWait(
      beganAt - 4000,
      beganAt,
      goesOnAt - stoppedAt,
    ),
    'longest wait of a sender during the move, ms': writer.longestWait(beganAt, goesOnAt),
    'rows copied a second': (1000 * messages) / (copiedAt - beganAt),
    'from its begin to the switch, s': (goesOnAt - beganAt) / 1000,
    'rows lost': messages + writer.sent.length - there.places,
    'rows twice': there.rows - there.places,
  }
}

const connectionOf = ({ host, port, database, user, password }: Client): string =>
  `host=${host} port=${port} dbname=${database} user=${user} password=${String(password)} application_name=moved`
