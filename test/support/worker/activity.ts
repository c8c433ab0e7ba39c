import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { z } from 'zod'
import { eventually } from './bounded.ts'
import type { TestTenant } from './tenant.ts'

const row = z.object({ last: z.number() })

/** The newest entry of a conversation that its tenant's Activity actor knows; undefined when it has no row. */
export const knownLast = async (tenant: TestTenant, conversation: string): Promise<number | undefined> =>
  await runInDurableObject(env.ACTIVITY.getByName(`${tenant.id}/0`), (_, { storage }) => {
    const hasTables = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'conversations'").toArray().length > 0
    if (!hasTables) return undefined
    const [known] = storage.sql.exec('SELECT activity FROM conversations WHERE id = ?', conversation).toArray()
    return known === undefined ? undefined : row.parse(JSON.parse(String(known['activity']))).last
  })

/**
 * Runs the alarm of a conversation until nothing is pending and the Activity actor knows its newest entry. One ring waits a
 * second for its tasks, and does nothing while an alarm of the conversation's own is under way.
 */
export async function settleActivity(tenant: TestTenant, conversation: string): Promise<void> {
  const actor = tenant.actorOf(conversation)
  await eventually('the Activity actor knows the newest entry', async () => {
    await runDurableObjectAlarm(actor)
    const { last, alarm, isDeleted } = await runInDurableObject(actor, async (_, { storage }) => ({
      last: Number(storage.sql.exec('SELECT coalesce(max(seq), 0) AS last FROM messages').one()['last']),
      alarm: await storage.getAlarm(),
      isDeleted: storage.sql.exec('SELECT 1 FROM facts WHERE value LIKE \'%"deletedAt"%\'').toArray().length > 0,
    }))
    return alarm === null && (isDeleted || ((await knownLast(tenant, conversation)) ?? -1) >= last) ? true : undefined
  })
}
