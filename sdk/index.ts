/** The client of Parley: conversations, live, over one connection. */
export { createParley, Parley, type ParleyOptions, type Unsent } from './parley.ts'
export { type ConnectionState, type Session } from './connection.ts'
export { type ConversationList, type ConversationListView } from './conversation-list.ts'
export { type Conversation } from './conversation.ts'
export {
  type Ban,
  type ConversationChange,
  type ConversationType,
  type Created,
  type Details,
  type FoundMessage,
  type NewConversation,
  type Page,
  type SearchPage,
  type SearchWanted,
  type RepliesPage,
  type ThreadsPage,
} from './conversations.ts'
export { type Shown } from './shown.ts'
export {
  inboxTable,
  oncePerDelivery,
  oncePerDeliverySync,
  type PostgresTransaction,
  type SqliteDatabase,
} from './event-inbox.ts'
export { type FailureKind, httpFailure, ParleyError } from './failure.ts'
export { byActivity, type Inbox, type InboxUpdate, type ListItem, withItem, withoutItem } from './inbox.ts'
export { Listeners } from './listeners.ts'
export { type Replies } from './message-states.ts'
export { type Thread, type ThreadState } from './threads.ts'
export { type Line, type MessageLine, type NoticeLine } from './lines.ts'
export {
  type FeedCounts,
  type FeedView,
  type Notification,
  NotificationFeed,
  Notifications,
  type Preferences,
} from './notifications.ts'
export { Moderation, type Reported, type ReportReason } from './moderation.ts'
export { type MessageStore, type UnsentMessage } from './message-store.ts'
export { type Member } from './people.ts'
export { type Properties, type ConversationStatus, type View } from './view.ts'
