import { z } from 'zod'
import { marks } from './feed-marks.ts'
import { userId } from './payloads.ts'

const time = z.int().describe('Milliseconds since the epoch')

/** Names of feeds and topics. */
export const notificationName = z
  .string()
  .regex(/^(?!\.\.?$)[A-Za-z0-9_.-]{1,64}$/, 'letters, digits and _ . - only, at most 64, not only dots')

/** Names of categories and workflows, those of chat included, which are there without being registered. */
export const definedName = z
  .string()
  .regex(
    /^(?!\.\.?$)(?:[A-Za-z0-9_.-]{1,64}|\$chat(?:\.[a-z]{1,32})?)$/,
    'letters, digits and _ . - only, at most 64, not only dots',
  )

/** Items that one request marks by their ids. */
export const maxMarked = 100
/** Items of one page. */
export const maxFeedPage = 100

export const feedFilters = ['all', 'unseen', 'unread', 'read', 'archived', 'pinned'] as const
export type FeedFilter = (typeof feedFilters)[number]

const itemPattern = /^[A-Za-z0-9_.-]{1,64}:[1-9]\d{0,14}$/
const itemId = z.string().regex(itemPattern, 'not the id of an item, such as default:17')

/** The feed and the number of an item id that fits its schema. */
export function readItemId(id: string): { readonly feed: string; readonly n: number } {
  const colon = id.lastIndexOf(':')
  return { feed: id.slice(0, colon), n: Number(id.slice(colon + 1)) }
}

/** The id of an item, as a user knows it. */
export const itemIdOf = (feed: string, n: number): string => `${feed}:${n}`

const owner = userId.optional().describe('The user whose feed it is; an API key must give it')
const feedName = notificationName.default('default')

/** `GET /v1/feed`. */
export const feedQuery = z.strictObject({
  user: owner,
  feed: feedName,
  filter: z.enum(feedFilters).default('all').describe('`all` has no archived items, and pinned ones in `pinned` only'),
  category: definedName.optional(),
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, 'not a cursor of this list; give `next` of the page before')
    .transform(Number)
    .optional(),
  limit: z.coerce.number().int().min(1).max(maxFeedPage).default(25),
})

/** `GET /v1/feed/counts`. */
export const feedCountsQuery = z.strictObject({ user: owner })

export const feedCounts = z
  .object({
    total: z.int().describe('Without archived items'),
    unseen: z.int(),
    unread: z.int(),
    archived: z.int(),
    pinned: z.int(),
  })
  .meta({ id: 'FeedCounts' })

const action = z.object({ id: z.string(), label: z.string(), url: z.string().optional() })
const marked = time.nullable()

/** An item of a feed. All its texts are plain text. */
export const feedItem = z
  .object({
    id: z.string().describe('`<feed>:<number>`'),
    feed: z.string(),
    at: time,
    notification: z.string(),
    workflow: z.string(),
    category: z.string().optional(),
    actor: z.string().optional().describe('The user that caused it'),
    conversation: z.string().optional(),
    title: z.string().optional(),
    body: z.string(),
    url: z.string().optional(),
    actions: z.array(action).optional(),
    seenAt: marked,
    readAt: marked,
    interactedAt: marked,
    archivedAt: marked,
    pinnedAt: marked,
  })
  .meta({ id: 'FeedItem' })

export const feedPage = z
  .object({
    items: z.array(feedItem).describe('The newest first'),
    pinned: z.array(feedItem).describe('On the first page of the filter `all`; elsewhere empty'),
    counts: feedCounts,
    next: z.string().nullable().describe('Cursor of the next page'),
  })
  .meta({ id: 'FeedPage' })

export const allFeedCounts = z.object({
  feeds: z.record(z.string(), feedCounts).describe('By the names of the feeds that the user has'),
})

/** `POST /v1/feed/marks`. */
export const markFeed = z
  .strictObject({
    user: owner,
    mark: z.enum(marks),
    items: z.array(itemId).min(1).max(maxMarked).optional(),
    all: z.literal(true).optional().describe('All items of `feed` instead of `items`'),
    feed: feedName.describe('With `all`; the ids of items name their feed'),
    upTo: itemId.optional().describe('With `all`: the newest item that the client knows; later ones stay as they are'),
  })
  .refine(({ items, all }) => (items === undefined) !== (all === undefined), 'give either items or all')
  .refine(({ items, upTo }) => items === undefined || upTo === undefined, 'upTo: with all only')
  .refine(
    ({ items = [] }) => new Set(items.map((id) => readItemId(id).feed)).size <= 1,
    'items: of one feed in each request',
  )
  .refine(({ all, mark }) => all === undefined || mark !== 'pinned', 'mark: items are pinned by their ids')

export const markResult = z
  .object({
    feed: z.string(),
    marked: z.array(z.string()).describe('The first 1,000 items that changed'),
    counts: feedCounts,
  })
  .meta({ id: 'FeedMarked' })

/** `notification` on `user:#<id>`: an item that has arrived. Sent to open connections only; after a reconnect read the feed again. */
export const notificationEvent = z
  .object({ type: z.literal('notification'), item: feedItem, counts: feedCounts })
  .meta({ id: 'NotificationEvent' })

/** `feed` on `user:#<id>`: the counts after items were marked, and how. `items` is null when all up to `upTo` were. */
export const feedEvent = z
  .object({
    type: z.literal('feed'),
    feed: z.string(),
    counts: feedCounts,
    mark: z.enum(marks),
    at: time,
    items: z.array(z.string()).nullable(),
    upTo: z.string().nullable(),
  })
  .meta({ id: 'FeedEvent' })
