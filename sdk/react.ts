import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useMemo,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react'
import type { ConnectionState } from './connection.ts'
import type { ConversationListView } from './conversation-list.ts'
import type { Conversation } from './conversation.ts'
import type { FeedView, NotificationFeed } from './notifications.ts'
import type { Parley } from './parley.ts'
import type { View } from './view.ts'

/**
 * Hooks for React 18 and later. On a server, and until a client is there, they return what is shown while nothing is known: give
 * `ParleyProvider` no client there, and make one in the browser.
 */

const Client = createContext<Parley | undefined>(undefined)

/** Gives the client to all components below. */
export const ParleyProvider = (props: {
  readonly client: Parley | undefined
  readonly children?: ReactNode
}): ReactElement => createElement(Client.Provider, { value: props.client }, props.children)

/** The client; undefined on a server. */
export const useParley = (): Parley | undefined => useContext(Client)

const idle: ConnectionState = { kind: 'idle' }
/** Where the connection stands. */
export function useConnection(): ConnectionState {
  const client = useParley()
  return useStore(client, client?.connection.changes, () => client?.connection.state ?? idle)
}

const emptyList: ConversationListView = { status: 'loading', items: [], hasMore: false }
/** The user's conversations, newest activity first, with exact counts; `loadMore` reads the next page. */
export function useConversations(): ConversationListView & { readonly loadMore: () => Promise<void> } {
  const client = useParley()
  const view = useStore(client, client?.list.changes, () => client?.list.view ?? emptyList)
  return useMemo(() => ({ ...view, loadMore: async () => client?.list.loadMore() }), [client, view])
}

/** Unread messages and mentions of one conversation of the list, or of all that are loaded. */
export function useUnread(conversation?: string): { readonly unread: number; readonly mentions: number } {
  const { items } = useConversations()
  return useMemo(() => {
    const counted = conversation === undefined ? items : items.filter(({ id }) => id === conversation)
    return {
      unread: counted.reduce((sum, { unread }) => sum + unread, 0),
      mentions: counted.reduce((sum, { mentions }) => sum + mentions, 0),
    }
  }, [items, conversation])
}

/** One conversation, listened to as long as a component uses it, and what to show of it: messages, members, presence, typing. */
export function useConversation(id: string): {
  readonly conversation: Conversation | undefined
  readonly view: View | undefined
} {
  const client = useParley()
  const conversation = useMemo(() => client?.conversation(id), [client, id])
  useEffect(() => (conversation === undefined ? undefined : use(conversation)), [conversation])
  const view = useStore(conversation, conversation?.changes, () => conversation?.view)
  return useMemo(() => ({ conversation, view }), [conversation, view])
}

/** The users that type in a conversation now, others than the user. */
export const useTyping = (id: string): readonly string[] => useConversation(id).view?.typing ?? noUsers

/** The users that look at a conversation now; undefined while it is not known, as in large conversations. */
export function usePresence(id: string): readonly string[] | undefined {
  const { view } = useConversation(id)
  return view?.hereKnown === true ? view.here : undefined
}

const closedFeed: FeedView = {
  items: [],
  pinned: [],
  counts: { total: 0, unseen: 0, unread: 0, archived: 0, pinned: 0 },
  hasMore: false,
  status: 'closed',
}
/** A feed of notifications, read when a component first uses it. A failure shows as its `status`. */
export function useFeed(name?: string): { readonly feed: NotificationFeed | undefined; readonly view: FeedView } {
  const client = useParley()
  const feed = useMemo(() => client?.notifications.feed(name), [client, name])
  useEffect(() => {
    feed?.open().catch(() => undefined)
  }, [feed])
  const view = useStore(feed, feed?.changes, () => feed?.view ?? closedFeed)
  return useMemo(() => ({ feed, view }), [feed, view])
}

const noUsers: readonly string[] = []

interface Changes {
  listen(tell: () => void): () => void
}

/** A value of `source`, read anew after each change. React asks for it often and needs the same object each time. */
function useStore<Value>(source: object | undefined, changes: Changes | undefined, read: () => Value): Value {
  const store = useMemo(() => {
    let value = read()
    return {
      read: () => value,
      listen: (tell: () => void) => {
        const changed = () => {
          value = read()
          tell()
        }
        // What changed since it was rendered.
        changed()
        return changes?.listen(changed) ?? (() => undefined)
      },
    }
    // `read` and `changes` follow from `source`.
  }, [source])
  return useSyncExternalStore(store.listen, store.read, store.read)
}

const uses = new WeakMap<Conversation, number>()

/** Opens a conversation for its first user, and closes it after its last one, unless another one comes at once. */
function use(conversation: Conversation): () => void {
  uses.set(conversation, (uses.get(conversation) ?? 0) + 1)
  conversation.open()
  return () => {
    uses.set(conversation, (uses.get(conversation) ?? 1) - 1)
    setTimeout(() => uses.get(conversation) === 0 && conversation.close())
  }
}
