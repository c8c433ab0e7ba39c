import type { FeedItemContent } from '../../src/notifications/feed/item.ts'
import type { DeliveryOrder, NotificationSpec } from '../../src/notifications/model.ts'

/** What an item of the feed says, or why there is none. */
export type FoundContent =
  | { readonly kind: 'content'; readonly content: FeedItemContent }
  | { readonly kind: 'bad'; readonly reason: string }

/** The content of a notification's item for one recipient. */
export function feedContent(spec: NotificationSpec, { source }: Omit<DeliveryOrder, 'tenant'>): FoundContent {
  if (!('content' in source)) return { kind: 'bad', reason: `template "${source.template}": not in this notification` }
  const { title, body, url, actions } = source.content
  const { id, workflow, category, actor, conversation } = spec
  const content = { notification: id, workflow: workflow.name, category: category?.name, actor, conversation }
  return { kind: 'content', content: { ...content, title, body, url, actions } }
}
