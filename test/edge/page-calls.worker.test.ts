import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'

afterEach(() => void vi.restoreAllMocks())

test('a page of messages costs one call to one actor, and shows what was sent a moment ago', async () => {
  const tenant = await newTenant()
  const id = await tenant.group('alice', 'bob')
  const path = `/v1/conversations/${id}/messages`
  const send = (text: string) => call(`POST ${path}`, { as: tenant.key, body: { clientId: text, text, user: 'alice' } })
  const texts = async () => {
    const { body } = await call(`GET ${path}?limit=50`, { as: tenant.key })
    return body['messages']
  }
  await send('one')
  expect(await texts()).toContainEqual(expect.objectContaining({ text: 'one' }))

  await send('two')
  const conversations = vi.spyOn(env.CONVERSATION, 'getByName')
  const others = [env.INBOX_NOTES, env.TENANT, env.PLATFORM, env.INBOX].map((actors) => vi.spyOn(actors, 'getByName'))
  expect(await texts()).toContainEqual(expect.objectContaining({ text: 'two' }))
  expect(conversations).toHaveBeenCalledTimes(1)
  for (const other of others) expect(other).not.toHaveBeenCalled()
})
