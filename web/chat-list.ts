import {
  byActivity,
  Listeners,
  withItem,
  withoutItem,
  type Inbox,
  type InboxUpdate,
  type ListItem,
  type Parley,
} from '../sdk/index.ts'

const retryAfterMs = 2000

/** The user's conversations as the list shows them: pages over HTTP, kept true by the user's own stream. */
export class ChatList {
  readonly changes = new Listeners<undefined>()
  readonly #parley: Parley
  #inbox: Inbox = new Map()
  #next: string | null = null
  #state: 'loading' | 'ready' = 'loading'
  #loads = 0
  /** Pages on their way, and the updates that came meanwhile: they may be newer than they are. */
  #asked = 0
  #meanwhile: InboxUpdate[] = []

  constructor(parley: Parley) {
    this.#parley = parley
    parley.inbox.listen((update) => this.#hear(update))
  }

  /** True until the first page is there. */
  get loading(): boolean {
    return this.#state === 'loading'
  }

  /** Newest activity first. */
  get items(): readonly ListItem[] {
    return byActivity(this.#inbox)
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
    all.delete(this.#parley.user)
    return [...all].sort()
  }

  /** Loads the next page; what fails can simply be asked for again. */
  async loadMore(): Promise<void> {
    const cursor = this.#next
    if (cursor === null) return
    this.#next = null
    this.#asked += 1
    try {
      this.#take(await this.#parley.conversations.list({ cursor }))
    } catch {
      this.#next = cursor
    } finally {
      this.#answered()
    }
    this.changes.tell(undefined)
  }

  #hear(update: InboxUpdate): void {
    if (update.kind === 'lost') return void this.#reload()
    if (this.#asked > 0) this.#meanwhile.push(update)
    this.#apply(update)
    this.changes.tell(undefined)
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
      const page = await this.#parley.conversations.list()
      if (load !== this.#loads) return
      this.#inbox = new Map()
      this.#take(page)
      this.#state = 'ready'
      this.changes.tell(undefined)
    } catch {
      setTimeout(() => load === this.#loads && void this.#reload(), retryAfterMs)
    } finally {
      this.#answered()
    }
  }

  #take(page: { readonly conversations: readonly ListItem[]; readonly next: string | null }): void {
    this.#inbox = page.conversations.reduce(withItem, this.#inbox)
    this.#next = page.next
    this.#meanwhile.forEach((update) => this.#apply(update))
  }

  #answered(): void {
    this.#asked -= 1
    if (this.#asked === 0) this.#meanwhile = []
  }
}
