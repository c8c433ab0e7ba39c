import type { Clock } from './clock.ts'
import type { Destinations } from './destinations.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Post } from './post.ts'
import type { Publisher } from './publisher.ts'
import type { Scheduler } from './scheduler.ts'
import type { Store } from './store/store.ts'

/** What the endpoints work with. */
export interface Parts {
  store: Store
  clock: Clock
  destinations: Destinations
  post: Post
  publisher: Publisher
  scheduler: Scheduler
  dispatcher: Dispatcher
  keys: { current: string; next: string }
}
