import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { ConversationStore } from '../../durable-objects/conversation/conversation-store.ts'
import type { Env } from '../../src/env.ts'
import type { NotesUpdate } from '../../src/inbox/notes.ts'
import type { StreamCommand } from '../../src/protocol/stream.ts'
import { viewOf } from '../support/worker/conversation-view.ts'
import { newTenant } from '../support/worker/tenant.ts'

// What a conversation keeps while inboxes cannot be told.

test('the author has read, also when the message left the log and the conversation died', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  const conversation = tenant.actorOf(lunch)
  const said = Array.from({ length: 30 }, (_, n): StreamCommand => {
    const user = n < 10 ? 'alice' : 'bob'
    return { kind: 'send', user, client: '', content: { clientId: String(n), text: 'x' } }
  })
  await conversation.execute({ gateway: null, have: null, commands: said })
  await runInDurableObject(conversation, async (_, state) => {
    const store = ConversationStore.open(state, env)
    store.projection.skip(30)
    // What the Activity actor was not told must be read off the log.
    store.prune(5)
    expect(store.log.floor()).toBe(1)
    await store.activity.run()
    store.prune(5)
    expect(store.log.floor()).toBe(26)
  })
  await evictDurableObject(conversation)
  expect(await viewOf(conversation, 'alice')).toMatchObject({ read: 10 })
  expect(await viewOf(conversation, 'bob')).toMatchObject({ read: 30 })
})

test('an inbox that cannot be notified keeps no other from being notified, and is notified again', async () => {
  const tenant = await newTenant()
  const users = Array.from({ length: 45 }, (_, n) => `user${String(n).padStart(2, '0')}`)
  const lunch = await tenant.group(...users)
  const heard = new Set<string>()
  let broken = true
  const inboxOf = (user: string) => {
    const hear = async () => {
      if (broken && user.endsWith('0')) throw new Error('broken')
      heard.add(user)
      return true
    }
    return { advance: hear, remove: hear }
  }
  // Every user is connected.
  const update = async ({ removed }: NotesUpdate) => ({
    open: [...users, ...removed.map(({ user }) => user)],
    allOpen: true,
  })
  const INBOX_NOTES = { getByName: () => ({ update }) }
  const INBOX = { getByName: (name: string) => inboxOf(name.slice(name.indexOf('/') + 1)) }

  await runInDurableObject(tenant.actorOf(lunch), async (_, state) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of an inbox is asked here
    const bindings = { ...env, INBOX, INBOX_NOTES } as unknown as Env
    const { inboxUpdater: newsletter, settings, conversation } = ConversationStore.open(state, bindings)
    // As before the notes actors were told of the members.
    settings.set('noted', 0)
    for (const user of ['gone0', 'gone1']) newsletter.noteRemoval(user, 1)

    await expect(newsletter.run(() => conversation!)).rejects.toThrow('broken')
    expect([...heard].toSorted()).toEqual(['gone1', ...users.filter((user) => !user.endsWith('0'))])
    expect(newsletter.isPending(conversation!)).toBe(true)

    broken = false
    await newsletter.run(() => conversation!)
    expect(heard.size).toBe(47)
    expect(newsletter.isPending(conversation!)).toBe(false)
  })
})
