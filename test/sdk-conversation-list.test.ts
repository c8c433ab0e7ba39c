import { expect, onTestFinished, test } from 'vitest'
import { createParley } from '../sdk/index.ts'

const item = (id: string) => ({ id, type: 'group', name: id, last: 1, read: 1, unread: 0, at: 1, members: [] })
const first = { conversations: [item('a')], next: 'the rest' }
const second = { conversations: [item('b'), item('c')], next: null }

/** A socket that never opens: the list is told its news by hand. */
class Nowhere {
  readonly readyState = 0
  close(): void {}
}

test('a conversation that goes while a page with it is on its way does not come back', async () => {
  const pages = [Promise.withResolvers<object>(), Promise.withResolvers<object>()] as const
  const fetch: typeof globalThis.fetch = async (address) =>
    Response.json(await pages[String(address).includes('cursor') ? 1 : 0].promise)
  const parley = createParley({ url: 'http://parley.test', user: 'ann', token: 'any', websocket: Nowhere, fetch })
  onTestFinished(() => parley.close())
  const list = parley.list
  const ids = () => list.items.map(({ id }) => id).sort()

  parley.inbox.tell({ kind: 'lost' })
  pages[0].resolve(first)
  await expect.poll(ids).toEqual(['a'])
  const more = list.loadMore()
  parley.inbox.tell({ kind: 'removed', id: 'b' })
  pages[1].resolve(second)
  await more
  expect(ids()).toEqual(['a', 'c'])
})
