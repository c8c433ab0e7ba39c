import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { z } from 'zod'
import { moveView, type MoveView } from '../../src/protocol/moves-api.ts'
import { pause, type Processes } from '../processes.ts'
import type { Found } from '../report/comparison.ts'
import { postTo } from '../targets/parley-wire.ts'
import { serveParley } from '../targets/parley.ts'
import { countMessages, fillStatement } from './rows.ts'
import { postgresPause, Writer } from './writer.ts'

const conversations = 20
const tenant = 'demo'

/** How much is moved, while how much arrives. */
export interface Load {
  readonly messages: number
  readonly perSecond: number
  /** Rows that are copied a second, at most. */
  readonly rowsPerSecond: number
}

/** A running Parley, and its Postgres. */
export interface ParleySide {
  /** A session of the owner. */
  session(database: string): Promise<Client>
  measure(load: Load): Promise<Found>
  stop(): Promise<void>
}

export async function startParleySide(folder: string, processes: Processes): Promise<ParleySide> {
  const running = await serveParley(folder, processes, { PROJECTION_DELAY_MS: '500' })
  const data = join(folder, 'parley')
  const { adminKey } = z
    .object({ adminKey: z.string() })
    .parse(JSON.parse(readFileSync(join(data, 'secrets.json'), 'utf8')))
  const port = readFileSync(join(data, 'postgres/primary/postmaster.pid'), 'utf8').split('\n')[3]
  const password = readFileSync(join(data, 'postgres/password'), 'utf8').trim()
  const reach = { url: running.url, apiKey: 'demo-key', offerDeflate: false }
  const asOperator = { ...reach, apiKey: adminKey }
  const sessions: Client[] = []
  const session = async (database: string) => {
    const client = new Client(`postgres://postgres:${password}@127.0.0.1:${port}/${database}`)
    await client.connect()
    sessions.push(client)
    return client
  }
  const decide = (what: string) => postTo(asOperator, `/admin/v1/tenants/${tenant}/move/${what}`, {}, moveView)
  const look = async () => {
    const url = new URL(`/admin/v1/tenants/${tenant}/move`, running.url.replace(/^ws/, 'http'))
    const answer = await fetch(url, { headers: { authorization: `Bearer ${adminKey}` } })
    return moveView.parse(await answer.json())
  }
  const until = async (what: string, is: (move: MoveView) => boolean): Promise<MoveView> => {
    for (;;) {
      const move = await look()
      if (is(move)) return move
      if (move.endedAt !== null) throw new Error(`not ${what}: ${JSON.stringify(move)}`)
      await pause(100)
    }
  }

  return {
    session,
    async measure({ messages, perSecond, rowsPerSecond }) {
      const home = await homeOf(session)
      const [from, to] = [await session(home), await session(home === 'shard0' ? 'shard1' : 'shard0')]
      for (const shard of [from, to])
        await shard.query(
          `SELECT create_message_partition((now() - n * interval '1 month')::date) FROM generate_series(0, 3) AS n`,
        )
      await from.query(fillStatement(tenant, messages))
      await from.query('ANALYZE messages; CHECKPOINT')
      const ids: string[] = []
      for (let n = 0; n < conversations; n++) {
        const body = { type: 'group', name: `live ${n}`, members: ['alice', 'bob'] }
        ids.push((await postTo(reach, '/v1/conversations', body, z.object({ id: z.string() }))).id)
      }
      const writer = new Writer(perSecond, async (nth) => {
        const path = `/v1/conversations/${ids[nth % conversations]}/messages`
        await postTo(reach, path, { user: 'alice', clientId: `n${nth}`, text: `live ${nth}` }, z.unknown())
      })
      await pause(5000)
      const beganAt = performance.now()
      const started = await postTo(
        asOperator,
        `/admin/v1/tenants/${tenant}/moves`,
        { to: home === 'shard0' ? 'shard1' : 'shard0', rowsPerSecond },
        moveView,
      )
      const switched = await until('switched', ({ state }) => state === 'awaiting-confirmation')
      const switchedAt = performance.now()
      const fenceEndsAt = (switched.switchedAt ?? 0) - performance.timeOrigin
      const fence = { from: fenceEndsAt - switched.pauseMs, to: fenceEndsAt }
      await pause(5000)
      await writer.stop()
      const live = `conversation_id = ANY (ARRAY[${ids.map((id) => `'${id}'`).join()}]) AND client_id LIKE 'n%'`
      // What was sent last arrives a little later.
      for (let nth = 0; nth < 300; nth++) {
        if ((await countMessages(to, tenant, live)).places >= writer.sent.length) break
        await pause(100)
      }
      const there = await countMessages(
        to,
        tenant,
        `${live} OR tenant_id = '${tenant}' AND conversation_id LIKE 'old%'`,
      )
      await decide('confirm')
      await until('confirmed', ({ state }) => state === 'confirmed')
      const left = await countMessages(from, tenant)
      if (writer.failures.length > 0) throw new Error(`a message was refused: ${writer.failures[0]}`)
      await to.query(`DELETE FROM messages WHERE tenant_id = $1 AND conversation_id LIKE 'old%'`, [tenant])
      return {
        ...writer.atSwitch(fence, { from: beganAt - 4000, to: beganAt }),
        [postgresPause]: switched.pauseMs,
        'longest wait of a sender during the move, ms': writer.longestWait(beganAt, switchedAt),
        'rows copied a second': switched.rows.perSecond,
        'from its begin to the switch, s': (switchedAt - beganAt) / 1000,
        'rows lost': messages + writer.sent.length - there.places,
        'rows twice': there.rows - there.places + left.rows,
        fences: switched.fences + (started.fences === 0 ? 0 : 1),
      }
    },
    async stop() {
      for (const client of sessions) await client.end()
      await running.stop()
    },
  }
}

async function homeOf(session: ParleySide['session']): Promise<'shard0' | 'shard1'> {
  const directory = await session('directory')
  const { rows } = await directory.query('SELECT shard FROM tenants WHERE tenant_id = $1', [tenant])
  return z.tuple([z.object({ shard: z.enum(['shard0', 'shard1']) })]).parse(rows)[0].shard
}
