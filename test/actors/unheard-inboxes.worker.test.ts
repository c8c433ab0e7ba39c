import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { ConversationBooks } from '../../durable-objects/parts/conversation-books.ts'
import type { StreamCommand } from '../../src/protocol/stream.ts'
import { newTenant } from '../support/worker/tenant.ts'

// What a conversation keeps while inboxes cannot be told.

test('who wrote has read, also when her words left before her inbox heard of them and the conversation died', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  const conversation = tenant.actorOf(lunch)
  const said = Array.from({ length: 30 }, (_, n): StreamCommand => {
    const user = n < 10 ? 'alice' : 'bob'
    return { kind: 'send', user, client: '', content: { clientId: String(n), text: 'x' } }
  })
  await conversation.execute({ gateway: null, have: null, commands: said })
  await runInDurableObject(conversation, (_, state) => {
    const books = ConversationBooks.open(state, env)
    books.projection.skip(30)
    books.prune(5)
    expect(books.log.floor()).toBe(26)
  })
  await evictDurableObject(conversation)
  expect(await conversation.describe({ user: 'alice', client: '', server: false })).toMatchObject({ read: 10 })
  expect(await conversation.describe({ user: 'bob', client: '', server: false })).toMatchObject({ read: 30 })
})
