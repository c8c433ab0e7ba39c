import { describe, expect, test } from 'vitest'
import { Http } from '../sdk/http.ts'
import { Notifications } from '../sdk/notifications.ts'
import { Tokens } from '../sdk/tokens.ts'

const counts = (unseen: number, unread = unseen) => ({ total: 3, unseen, unread, archived: 0, pinned: 0 })
const item = (n: number, rest: object = {}) => ({
  id: `default:${n}`,
  feed: 'default',
  at: n,
  body: `Text ${n}`,
  seenAt: null,
  readAt: null,
  interactedAt: null,
  pinnedAt: null,
  ...rest,
})

interface Asked {
  readonly line: string
  readonly body: unknown
  readonly answer: (body: unknown) => void
}

/** A server that answers when it is told to. */
function world() {
  const asked: Asked[] = []
  const fetch: typeof globalThis.fetch = (address, init) =>
    new Promise((resolve) => {
      const url = new URL(address instanceof Request ? address.url : String(address))
      asked.push({
        line: `${init?.method ?? 'GET'} ${url.pathname}${url.search}`,
        body: typeof init?.body === 'string' ? JSON.parse(init.body) : undefined,
        answer: (body) => resolve(Response.json(body)),
      })
    })
  const http = new Http({ url: 'http://parley.test', tokens: new Tokens({ token: 'any' }), fetch })
  const notifications = new Notifications(http, 'ann')
  const next = async (): Promise<Asked> => {
    for (;;) {
      const one = asked.shift()
      if (one !== undefined) return one
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { notifications, feed: notifications.feed(), next, asked }
}

async function opened(page: object = { items: [item(2), item(1)], pinned: [], counts: counts(2), next: null }) {
  const here = world()
  const opening = here.feed.open()
  ;(await here.next()).answer(page)
  await opening
  return here
}

const shown = ({ feed }: ReturnType<typeof world>) => feed.view.items.map(({ id }) => id)

describe('a feed of the client', () => {
  test('shows the page that the server gave, and the page behind it', async () => {
    const here = await opened({ items: [item(3), item(2)], pinned: [item(9)], counts: counts(3), next: '2' })
    expect(here.feed.view).toMatchObject({
      hasMore: true,
      status: 'ready',
      counts: counts(3),
      pinned: [{ id: 'default:9' }],
    })
    const more = here.feed.loadMore()
    const request = await here.next()
    expect(request.line).toBe('GET /v1/feed?feed=default&cursor=2')
    request.answer({ items: [item(1)], pinned: [], counts: counts(3), next: null })
    await more
    expect(shown(here)).toEqual(['default:3', 'default:2', 'default:1'])
    expect(here.feed.view.hasMore).toBe(false)
  })

  test('takes an item that arrives once, with the counts that came with it', async () => {
    const here = await opened()
    const event = { type: 'notification', item: item(3), counts: counts(3) }
    here.notifications.hear(event)
    here.notifications.hear(event)
    here.notifications.hear({ type: 'notification', item: { ...item(7), feed: 'work' }, counts: counts(9) })
    expect(shown(here)).toEqual(['default:3', 'default:2', 'default:1'])
    expect(here.feed.view.counts.unseen).toBe(3)
  })

  test('reads a page again when something arrived while the page was on its way', async () => {
    const here = await opened()
    here.notifications.lost()
    const first = await here.next()
    here.notifications.hear({ type: 'notification', item: item(3), counts: counts(3) })
    first.answer({ items: [item(2), item(1)], pinned: [], counts: counts(2), next: null })
    const second = await here.next()
    second.answer({ items: [item(3), item(2), item(1)], pinned: [], counts: counts(3), next: null })
    await here.feed.open().catch(() => undefined)
    expect(shown(here)).toEqual(['default:3', 'default:2', 'default:1'])
  })

  test('marks items as the server answers, and all of them only up to the newest it knows', async () => {
    const here = await opened()
    const marking = here.feed.markAll('seen')
    const request = await here.next()
    expect(request.body).toEqual({ mark: 'seen', all: true, feed: 'default', upTo: 'default:2' })
    here.notifications.hear({ type: 'notification', item: item(3), counts: counts(3) })
    request.answer({ feed: 'default', marked: ['default:1', 'default:2'], counts: counts(1, 3) })
    await marking
    expect(here.feed.view.items.map(({ seenAt }) => seenAt === null)).toEqual([true, false, false])
    expect(here.feed.view.counts).toEqual(counts(1, 3))
  })

  test('follows marks of another connection, and shows archived items no more', async () => {
    const here = await opened()
    const event = { type: 'feed', feed: 'default', at: 50, upTo: null }
    here.notifications.hear({ ...event, mark: 'read', items: ['default:1'], counts: counts(1) })
    expect(here.feed.view.items[1]).toMatchObject({ seenAt: 50, readAt: 50 })
    here.notifications.hear({ ...event, mark: 'archived', items: null, upTo: 'default:1', counts: counts(1) })
    expect(shown(here)).toEqual(['default:2'])
  })

  test('says nothing and asks nothing before it is opened', () => {
    const here = world()
    here.notifications.hear({ type: 'notification', item: item(3), counts: counts(3) })
    here.notifications.lost()
    expect([here.feed.view.status, here.asked]).toEqual(['closed', []])
  })
})

test('display names are asked for together', async () => {
  const here = world()
  const names = here.notifications.names(['ada', 'bob'])
  const request = await here.next()
  expect(request.line).toBe('GET /v1/users?ids=ada%2Cbob')
  request.answer({ users: [{ id: 'ada', name: 'Ada Lovelace' }, { id: 'bob' }], next: null })
  expect(await names).toEqual(new Map([['ada', 'Ada Lovelace']]))
})
