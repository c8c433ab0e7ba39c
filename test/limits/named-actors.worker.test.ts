import { env } from 'cloudflare:workers'
import { listDurableObjectIds } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { answer as runMethod } from '../../src/edge/server-api/commands.ts'
import { GivenJson } from '../../src/protocol/given-json.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { lively, namespace } from '../support/worker/topics.ts'

// A process bounds the actors that callers named, whatever they paid for.

const most = 100
const bounded = { ...env, MAX_NAMED_ACTORS: String(most) }
const reply = z.object({
  result: z.object({
    responses: z.array(z.object({ error: z.object({ code: z.number(), detail: z.string() }).optional() })),
  }),
})

async function broadcast(tenant: string, channels: readonly string[]) {
  const body = { channels, data: 1 }
  const given = new GivenJson(body, JSON.stringify(body))
  const said = await runMethod(bounded, { kind: 'server', tenant, keyId: 'test' }, 'broadcast', given)
  return reply.parse(JSON.parse(said)).result.responses
}

test('a broadcast to more new topics than the process may open makes some, refuses the others with a wait, and leaves places', async () => {
  const [mallory, acme] = [await newTenant(), await newTenant()]
  for (const tenant of [mallory, acme]) await namespace(tenant, 'news', lively)
  const channels = Array.from({ length: 300 }, (_, n) => `news:${n}`)
  const answers = await broadcast(mallory.id, channels)
  const refused = answers.flatMap(({ error }) => (error === undefined ? [] : [error]))
  const ids = new Set((await listDurableObjectIds(env.TOPIC)).map(String))
  const made = channels.filter((channel) => ids.has(String(env.TOPIC.idFromName(`${mallory.id}/${channel}`))))
  expect(made.length).toBe(channels.length - refused.length)
  expect(made.length).toBeLessThanOrEqual(0.75 * most)
  expect(refused[0]).toMatchObject({ code: 111, detail: expect.stringMatching(/^actors: wait \d+ ms$/) })
  // Topics that are open are not refused, and neither are others' first ones.
  expect(await broadcast(mallory.id, made.slice(0, 3))).toEqual(
    [{}, {}, {}].map(() => expect.not.objectContaining({ error: expect.anything() })),
  )
  const [first] = await broadcast(acme.id, ['news:1'])
  expect(first?.error).toBeUndefined()
})

test('ten thousand new topics in one request stay within the same bound', async () => {
  const tenant = await newTenant()
  await namespace(tenant, 'all', lively)
  const channels = (k: number) => Array.from({ length: 1000 }, (_, n) => `all:${k}-${n}`)
  const commands = Array.from({ length: 10 }, (_, k) => ({ broadcast: { channels: channels(k), data: 1 } }))
  const body = { parallel: true, commands }
  const given = new GivenJson(body, JSON.stringify(body))
  const said = await runMethod(bounded, { kind: 'server', tenant: tenant.id, keyId: 'test' }, 'batch', given)
  const ids = new Set((await listDurableObjectIds(env.TOPIC)).map(String))
  const all = commands.flatMap((_, k) => channels(k))
  const made = all.filter((channel) => ids.has(String(env.TOPIC.idFromName(`${tenant.id}/${channel}`))))
  expect(made.length).toBeLessThanOrEqual(0.75 * most)
  expect(said.split('"code":111').length - 1).toBe(all.length - made.length)
})
