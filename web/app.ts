import { indexedDbStore } from '../sdk/indexed-db.ts'
import { createParley, type ConversationList, type Parley } from '../sdk/index.ts'
import { Drafts } from './drafts.ts'
import { names } from './names.ts'
import { demoToken, forgetName } from './session.ts'
import { closeDialogs } from './ui/dialog.ts'
import { h } from './ui/dom.ts'
import { hoist } from './ui/flags.ts'
import { oncePerFrame } from './ui/frame.ts'
import { Banner } from './views/banner.ts'
import { Bell } from './views/bell.ts'
import { askForConversation } from './views/new-conversation.ts'
import { ConversationView } from './views/conversation.ts'
import { Sidebar } from './views/sidebar.ts'

const defaultTextBytes = 16_384
const aMinute = 60_000
/** The bot of examples/bot. */
const guide = 'guide'

/** The chat page of one person: the list, the open conversation, and word of the connection. */
export class App {
  readonly element: HTMLElement
  readonly #parley: Parley
  readonly #list: ConversationList
  readonly #banner: Banner
  readonly #sidebar: Sidebar
  readonly #nothing = nothingOpen()
  readonly #stage = h('div', { class: 'stage' })
  readonly #drafts: Drafts
  readonly #draw = oncePerFrame(() => this.#drawNow())
  #open: ConversationView | undefined
  /** True when the list was seen before the conversation, so that "back" goes back. */
  #cameFromList = false

  constructor(name: string) {
    this.#parley = createParley({
      url: location.origin,
      user: name,
      getToken: () => demoToken(name),
      store: indexedDbStore(),
    })
    names.follow((ids) => this.#parley.notifications.names(ids))
    this.#drafts = new Drafts(name)
    this.#list = this.#parley.list
    this.#banner = new Banner(() => this.#parley.connection.reconnectNow())
    const feed = this.#parley.notifications.feed()
    // A failure shows an empty bell; the feed is read again with the next connection.
    feed.open().catch(() => undefined)
    this.#sidebar = new Sidebar(name, this.#list, new Bell(feed).element, {
      newConversation: () => askForConversation(this.#parley, this.#list.people, (id) => this.#go(id)),
      signOut: forgetName,
    })
    const skip = h(
      'a',
      { class: 'skip', href: '#/', onclick: (event) => this.#skip(event) },
      'Skip to the conversation',
    )
    const title = h('h1', { class: 'unseen' }, 'Parley')
    this.element = h('div', { class: 'app' }, skip, title, this.#banner.element, this.#sidebar.element, this.#stage)
    this.#follow()
    this.#route()
  }

  #follow(): void {
    this.#parley.connection.changes.listen(this.#draw)
    this.#list.changes.listen(this.#draw)
    names.changes.listen(this.#draw)
    const first = this.#list.changes.listen(() => {
      if (this.#list.loading) return
      first()
      if (this.#list.items.length === 0) void this.#meetGuide()
    })
    this.#parley.inbox.listen((update) => this.#open?.hear(update))
    addEventListener('hashchange', () => this.#route())
    addEventListener('online', this.#draw)
    addEventListener('offline', this.#draw)
    // Asked by the browser, in its own words, where it keeps nothing: what waits for a connection would be lost.
    addEventListener('beforeunload', (event) => this.#parley.hasUnsent && event.preventDefault())
    setInterval(this.#draw, aMinute)
  }

  /** A new user of a development system finds the bot that runs there; a system without it has an empty list. */
  async #meetGuide(): Promise<void> {
    try {
      const known = await this.#parley.notifications.names([guide])
      if (known.has(guide) && this.#parley.user !== guide)
        await this.#parley.conversations.create({ type: 'direct', members: [guide] })
    } catch {
      // The list is empty, and says how to begin.
    }
  }

  /** Shows what the address names: a conversation, or none. */
  #route(): void {
    const id = /^#\/c\/([A-Za-z0-9_-]{1,64})$/.exec(location.hash)?.[1]
    if (id !== this.#open?.conversation.id || id === undefined) this.#show(id)
    this.#draw()
  }

  #show(id: string | undefined): void {
    if (this.#open !== undefined) {
      this.#open.end()
    } else if (id !== undefined) {
      this.#cameFromList = this.element.isConnected
    }
    closeDialogs()
    this.#open = id === undefined ? undefined : this.#newView(id)
    this.element.dataset['screen'] = id === undefined ? 'list' : 'conversation'
    this.#stage.replaceChildren(this.#open?.element ?? this.#nothing)
    this.#open?.focus()
  }

  #newView(id: string): ConversationView {
    const { state } = this.#parley.connection
    return new ConversationView(id, {
      parley: this.#parley,
      list: this.#list,
      textBytes: state.kind === 'online' ? state.session.textBytes : defaultTextBytes,
      draft: this.#drafts.get(id),
      drafted: (text) => this.#drafts.set(id, text),
      redraw: this.#draw,
      back: () => this.#back(),
    })
  }

  /** Opens a conversation; one that is open already takes the cursor. */
  #go(id: string): void {
    if (this.#open?.conversation.id === id) this.#open.focus()
    else location.hash = `#/c/${id}`
  }

  /** To where one writes, else to what is shown, and past the list. */
  #skip(event: Event): void {
    event.preventDefault()
    if (this.#open === undefined) this.#nothing.focus()
    else this.#open.skipTo()
  }

  #back(): void {
    if (this.#cameFromList) history.back()
    else location.hash = '#/'
  }

  #drawNow(): void {
    const now = Date.now()
    this.#open?.draw(now)
    const open = this.#open?.conversation
    this.#sidebar.draw(open?.id, this.#open?.seen ?? false, now)
    this.#banner.show(this.#parley.connection.state, open?.view.status)
    this.#drawTitle()
  }

  #drawTitle(): void {
    const seen = this.#open?.seen === true ? this.#open.conversation.id : undefined
    const unread = this.#list.items.reduce((sum, { id, unread }) => (id === seen ? sum : sum + unread), 0)
    const title = unread > 0 ? `(${unread}) Parley` : 'Parley'
    if (document.title !== title) document.title = title
  }
}

const nothingOpen = (): HTMLElement =>
  h(
    'main',
    { class: 'nothing', tabindex: -1 },
    h('div', { class: 'hoist' }, ...hoist()),
    h('p', {}, 'Choose a conversation, or start a new one.'),
    h(
      'p',
      { class: 'hint' },
      'Alone here? ',
      h(
        'a',
        { href: `${location.pathname}?as=bob`, target: '_blank', rel: 'noopener' },
        'Be a second user in another tab',
      ),
      ' and write to yourself.',
    ),
  )
