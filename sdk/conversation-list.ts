import type { Page } from './conversations.ts'
import { byActivity, withItem, withoutItem, type Inbox, type InboxUpdate, type ListItem } from './inbox.ts'
import { Listeners } from './listeners.ts'

const retryAfterMs = 2000

/** What the list shows now. */
export interface ConversationListView {
  readonly status: 'loading' | 'ready'
  /** Newest activity first. */
  readonly items: readonly ListItem[]
  /** Whether there are older conversations to load. */
  readonly hasMore: boolean
}

/** What the list needs of the client. */
export interface ConversationListPorts {
  readonly user: string
  readonly inbox: Listeners<InboxUpdate>
  readonly page: (cursor: string | undefined) => Promise<Page>
  /** Whether the client listens already, so that no update says that the list has to be read. */
  readonly isListening: boolean
}

/** The user's conversations as the list shows them: pages over HTTP, kept true by the user's own stream. */
export class ConversationList {
  readonly changes = new Listeners<undefined>()
  readonly #ports: ConversationListPorts
  #inbox: Inbox = new Map()
  #next: string | null = null
  #status: ConversationListView['status'] = 'loading'
  #view: ConversationListView = { status: 'loading', items: [], hasMore: false }
  #loads = 0
  /** Pages on their way, and the updates that came meanwhile: they may be newer than they are. */
  #asked = 0
  #meanwhile: InboxUpdate[] = []

  constructor(ports: ConversationListPorts) {
    this.#ports = ports
    ports.inbox.listen((update) => this.#hear(update))
    if (ports.isListening) void this.#reload()
  }

  /** The same object until something changes. */
  get view(): ConversationListView {
    return this.#view
  }

  /** True until the first page is there. */
  get loading(): boolean {
    return this.#status === 'loading'
  }

  /** Newest activity first. */
  get items(): readonly ListItem[] {
    return this.#view.items
  }

  /** True when there are older conversations to load. */
  get more(): boolean {
    return this.#next !== null
  }

  /** One conversation of the list. */
  find(id: string): ListItem | undefined {
    return this.#inbox.get(id)
  }

  /** Every user with whom there is a conversation, as suggestions. */
  get people(): readonly string[] {
    const all = new Set(this.items.flatMap(({ members }) => members))
    all.delete(this.#ports.user)
    return [...all].sort()
  }

  /** Loads the next page; what fails can simply be asked for again. */
  async loadMore(): Promise<void> {
    const cursor = this.#next
    if (cursor === null) return
    this.#next = null
    this.#asked += 1
    try {
      this.#take(await this.#ports.page(cursor))
    } catch {
      this.#next = cursor
    } finally {
      this.#answered()
    }
    this.#changed()
  }

  #hear(update: InboxUpdate): void {
    if (update.kind === 'lost') return void this.#reload()
    if (this.#asked > 0) this.#meanwhile.push(update)
    this.#apply(update)
    this.#changed()
  }

  #apply(update: InboxUpdate): void {
    if (update.kind === 'changed') this.#inbox = withItem(this.#inbox, update.item)
    if (update.kind === 'removed') this.#inbox = withoutItem(this.#inbox, update.id)
  }

  /** Asks for the list anew and again until it comes; a reload that a later one overtakes is dropped. */
  async #reload(): Promise<void> {
    const load = ++this.#loads
    this.#asked += 1
    try {
      const page = await this.#ports.page(undefined)
      if (load !== this.#loads) return
      this.#inbox = new Map()
      this.#take(page)
      this.#status = 'ready'
      this.#changed()
    } catch {
      setTimeout(() => load === this.#loads && void this.#reload(), retryAfterMs)
    } finally {
      this.#answered()
    }
  }

  #take(page: Page): void {
    this.#inbox = page.conversations.reduce(withItem, this.#inbox)
    this.#next = page.next
    this.#meanwhile.forEach((update) => this.#apply(update))
  }

  #changed(): void {
    this.#view = { status: this.#status, items: byActivity(this.#inbox), hasMore: this.#next !== null }
    this.changes.tell(undefined)
  }

  #answered(): void {
    this.#asked -= 1
    if (this.#asked === 0) this.#meanwhile = []
  }
}
