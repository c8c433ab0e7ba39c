import type { Content } from '../model.ts'
import type { ItemState } from './marks.ts'

/** What a step in the app puts into a feed: the rendered content, and what it comes from. */
export interface FeedItemContent extends Pick<Content, 'title' | 'body' | 'url' | 'actions'> {
  readonly notification: string
  readonly workflow: string
  readonly category?: string | undefined
  readonly actor?: string | undefined
  readonly conversation?: string | undefined
}

/** An item of a user's feed. `id` is `<feed>:<number>`. */
export interface FeedItem extends FeedItemContent, ItemState {
  readonly id: string
  readonly feed: string
  readonly at: number
}

/** The feed of items whose workflow names none. */
export const defaultFeed = 'default'
