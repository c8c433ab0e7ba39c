import { callRecipients } from '../../../../durable-objects/open-recipients.ts'
import {
  allFeedCounts,
  feedCountsQuery,
  feedPage,
  feedQuery,
  markFeed,
  markResult,
  readItemId,
} from '../../../protocol/feed-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted } from '../../http/problem.ts'
import { takeItems } from '../../rate-limits/items.ts'
import { ownerOf } from './owner.ts'

const tag = 'Feed'
const access = 'user-or-server'
const counts = { total: 12, unseen: 1, unread: 3, archived: 40, pinned: 0 }
const exampleItem = {
  id: 'default:52',
  feed: 'default',
  at: 1_790_000_000_000,
  notification: '0198c0de-0000-7000-8000-000000000000',
  workflow: 'comment-added',
  category: 'comments',
  actor: 'bob',
  title: 'Bob commented on your draft',
  body: 'Looks good to me.',
  url: 'https://example.com/drafts/7',
  actions: [{ id: 'reply', label: 'Reply' }],
  seenAt: null,
  readAt: null,
  interactedAt: null,
  archivedAt: null,
  pinnedAt: null,
}

const readFeed = operation(
  defineOperation({
    id: 'readFeed',
    method: 'get',
    path: '/v1/feed',
    tag,
    summary: 'Read a page of a user’s feed, the newest first, with its counts',
    description:
      'A user reads their own feed, an API key that of the user in `user`. Texts are plain text: escape them in HTML.',
    access,
    query: feedQuery,
    responses: { 200: feedPage },
    example: { response: { items: [exampleItem], pinned: [], counts, next: null } },
  }),
  async ({ c, caller, query: { user, feed, ...page } }) => {
    const owner = ownerOf(caller, user)
    return {
      status: 200,
      json: await callRecipients(c.env, caller.tenant, owner, (own) => own.feed(owner, feed, page)),
    }
  },
)

const readFeedCounts = operation(
  defineOperation({
    id: 'readFeedCounts',
    method: 'get',
    path: '/v1/feed/counts',
    tag,
    summary: 'Read the counts of all feeds of a user',
    access,
    query: feedCountsQuery,
    responses: { 200: allFeedCounts },
    example: { response: { feeds: { default: counts } } },
  }),
  async ({ c, caller, query: { user } }) => {
    const owner = ownerOf(caller, user)
    const feeds = await callRecipients(c.env, caller.tenant, owner, (own) => own.feedCounts(owner))
    return { status: 200, body: { feeds } }
  },
)

const markItems = operation(
  defineOperation({
    id: 'markFeed',
    method: 'post',
    path: '/v1/feed/marks',
    tag,
    summary: 'Mark items of a feed: by their ids, or all of them',
    description:
      'What is read is seen, and what was interacted with is read. Other connections of the user are told by a `feed` event. Unknown ' +
      'items are left out: retention may have deleted them.',
    access,
    body: markFeed,
    responses: { 200: markResult },
    errors: ['conflict'],
    example: {
      body: { mark: 'read', items: ['default:52'] },
      response: { feed: 'default', marked: ['default:52'], counts: { ...counts, unseen: 0, unread: 2 } },
    },
  }),
  async ({ c, caller, body: { user, mark, items, feed, upTo } }) => {
    const owner = ownerOf(caller, user)
    await takeItems(c.env, caller, items?.length ?? 1)
    const [first] = items ?? []
    const named = first === undefined ? feed : readItemId(first).feed
    const call = {
      feed: named,
      mark,
      numbers: items?.map((id) => readItemId(id).n),
      upTo: upTo === undefined ? undefined : readItemId(upTo).n,
    }
    const result = accepted(await callRecipients(c.env, caller.tenant, owner, (own) => own.markFeed(owner, call)))
    return { status: 200, body: { feed: named, marked: result.items, counts: result.counts } }
  },
)

/** What users read in the app. */
export const feeds = [readFeed, readFeedCounts, markItems]
