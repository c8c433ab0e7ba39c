import type { FeedItemContent } from '../../src/notifications/feed/item.ts'
import type { ContentSource, DeliveryOrder, NotificationSpec } from '../../src/notifications/model.ts'
import { BadTemplate } from '../../src/notifications/templates/engine.ts'
import { isSameForAll, renderOwn, renderStored, type RenderOrder } from '../../src/notifications/templates/render.ts'
import type { RenderedContent } from '../../src/notifications/templates/template.ts'
import type { LoadedTemplate } from './feed-templates.ts'

/** What an item of the feed says, or why there is none. */
export type FoundContent =
  | { readonly kind: 'content'; readonly content: FeedItemContent }
  | { readonly kind: 'bad'; readonly reason: string }

/**
 * The content of a notification's item for one recipient; `template` is what was loaded when the content is a stored template. Rendering is
 * bounded, so that it can be done in the commit.
 */
export function feedContent(
  spec: NotificationSpec,
  order: Omit<DeliveryOrder, 'tenant'>,
  template: LoadedTemplate | undefined,
): FoundContent {
  try {
    const { title, body, url, actions } = renderedOnce(spec, order, template)
    const { id, workflow, category, actor, conversation } = spec
    const content = { notification: id, workflow: workflow.name, category: category?.name, actor, conversation }
    return { kind: 'content', content: { ...content, title, body, url, actions } }
  } catch (thrown) {
    if (thrown instanceof BadTemplate) return { kind: 'bad', reason: thrown.message }
    throw thrown
  }
}

/** What was rendered for all recipients of a notification, by its content. */
const common = new WeakMap<NotificationSpec, Map<ContentSource, RenderedContent>>()

/** Renders content for one recipient, or takes what it was for another one where it is the same for all. */
function renderedOnce(
  spec: NotificationSpec,
  order: Omit<DeliveryOrder, 'tenant'>,
  template: LoadedTemplate | undefined,
): RenderedContent {
  const { source, document } = order
  // The data of a digest whose first notification was canceled are those of another one.
  if ('template' in source || document.data !== spec.data || document.actor !== spec.actorProfile)
    return renderedContent(order, template)
  const known = common.get(spec) ?? new Map<ContentSource, RenderedContent>()
  const before = known.get(source)
  if (before !== undefined) return before
  const rendered = renderedContent(order, template)
  if (isSameForAll(source.content)) common.set(spec, known.set(source, rendered))
  return rendered
}

function renderedContent(
  { source, document, delivery, workflow }: Omit<DeliveryOrder, 'tenant'>,
  template: LoadedTemplate | undefined,
) {
  const order: RenderOrder = {
    channel: delivery.channel,
    locale: document.recipient.locale,
    document,
    notification: { workflow, delivery: delivery.id },
  }
  if ('content' in source) return renderOwn(source, order).content
  if (template?.kind !== 'template')
    throw new BadTemplate(template?.reason ?? `there is no template ${source.template}`)
  return renderStored(template.message, template.partials, order).content
}
