import { evictDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { commandBy } from '../support/conversation.ts'
import { viewOf } from '../support/worker/conversation-view.ts'
import { newTenant } from '../support/worker/tenant.ts'

// An edit and a deletion whose answers were lost, made again before and after the conversation lost its memory.

test('an amendment made again is the one that stands in the log', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  await tenant.postMany(lunch, 'alice', 2)
  const conversation = tenant.actorOf(lunch)
  const amend = async (name: 'message.edit' | 'message.delete', text?: string) => {
    const input = { seq: 1, ...(text === undefined ? {} : { text }) }
    const command = commandBy(name, { user: 'alice', client: 'phone' }, input)
    const { results, update } = await conversation.execute({ gateway: null, have: null, commands: [command] })
    return { result: results[0], told: update.publications.length }
  }

  const edited = await amend('message.edit', 'better')
  expect(await amend('message.edit', 'better')).toEqual({ ...edited, told: 0 })
  await evictDurableObject(conversation)
  expect(await amend('message.edit', 'better')).toEqual({ ...edited, told: 0 })

  const deleted = await amend('message.delete')
  expect(deleted.result).toMatchObject({ kind: 'done' })
  expect(await amend('message.delete')).toEqual({ ...deleted, told: 0 })
  await evictDurableObject(conversation)
  expect(await amend('message.delete')).toEqual({ ...deleted, told: 0 })
  expect(await viewOf(conversation, 'alice')).toMatchObject({ last: 4 })

  const remove = async (as: string) => (await call(`DELETE /v1/conversations/${lunch}/messages/2`, { as })).status
  for (let n = 0; n < 2; n++) expect(await remove(tenant.key)).toBe(204)
  expect(await remove(await tenant.token('alice'))).toBe(404)
})
