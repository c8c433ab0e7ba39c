import type { FeedItemContent } from '../../src/notifications/feed/item.ts'
import type { DeliveryOrder, NotificationSpec } from '../../src/notifications/model.ts'
import { BadTemplate } from '../../src/notifications/templates/engine.ts'
import { renderOwn } from '../../src/notifications/templates/render.ts'

/** What an item of the feed says, or why there is none. */
export type FoundContent =
  | { readonly kind: 'content'; readonly content: FeedItemContent }
  | { readonly kind: 'bad'; readonly reason: string }

/** The content of a notification's item for one recipient. Rendering is bounded, so that it can be done in the commit. */
export function feedContent(spec: NotificationSpec, order: Omit<DeliveryOrder, 'tenant'>): FoundContent {
  const { source, document, delivery } = order
  if (!('content' in source))
    return { kind: 'bad', reason: `template "${source.template}": is not for items of a feed yet` }
  try {
    const { channel } = delivery
    const { title, body, url, actions } = renderOwn(source, {
      channel,
      locale: document.recipient.locale,
      document,
    }).content
    const { id, workflow, category, actor, conversation } = spec
    const content = { notification: id, workflow: workflow.name, category: category?.name, actor, conversation }
    return { kind: 'content', content: { ...content, title, body, url, actions } }
  } catch (thrown) {
    if (thrown instanceof BadTemplate) return { kind: 'bad', reason: thrown.message }
    throw thrown
  }
}
