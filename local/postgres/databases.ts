import { setTimeout as pause } from 'node:timers/promises'
import { escapeIdentifier } from 'pg'
import { z } from 'zod'
import type { Door } from './ready.ts'
import { asSuperuser } from './ready.ts'

const names = z.array(z.object({ datname: z.string() }))
const stands = z.tuple([z.object({ follows: z.boolean(), reached: z.boolean() })])
const position = z.tuple([z.object({ position: z.string() })])

/** Creates the databases that are missing; one at a time, as each copies the same template. */
export async function ensureDatabases(door: Door, wanted: readonly string[]): Promise<void> {
  await asSuperuser(door, async (client) => {
    const { rows } = await client.query('select datname from pg_database')
    const present = new Set(names.parse(rows).map(({ datname }) => datname))
    for (const name of wanted) {
      if (!present.has(name)) await client.query(`create database ${escapeIdentifier(name)}`)
    }
  })
}

/** Whether the standby replays, within `patience` milliseconds, all that the primary has written so far. */
export async function follows(primary: Door, replica: Door, patience: number): Promise<boolean> {
  const goal = await asSuperuser(primary, async (client) => {
    const { rows } = await client.query('select pg_current_wal_flush_lsn()::text as position')
    return position.parse(rows)[0].position
  })
  const deadline = Date.now() + patience
  return await asSuperuser(replica, async (client) => {
    for (;;) {
      const { rows } = await client.query(standing, [goal])
      const [{ follows, reached }] = stands.parse(rows)
      if (reached) return true
      if (!follows || Date.now() > deadline) return false
      await pause(10)
    }
  })
}

/** A receiver must be at work too: after a clean stop both servers stand at the same place without being connected. */
const standing = `
  select pg_is_in_recovery() as follows,
    coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false) and exists (select from pg_stat_wal_receiver) as reached`
