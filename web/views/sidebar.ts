import type { ConversationList, ListItem } from '../../sdk/index.ts'
import { iconButton } from '../ui/dialog.ts'
import { arrange, h, Kept, setText } from '../ui/dom.ts'
import { names } from '../names.ts'
import { avatar, channelSign } from '../ui/avatar.ts'
import { icon } from '../ui/icons.ts'
import { openMenu } from '../ui/menu.ts'
import { briefly } from '../ui/times.ts'
import { nameOf } from '../words.ts'

/** What can be done from the list. */
export interface SidebarActions {
  readonly newConversation: () => void
  readonly signOut: () => void
}

/** The list of conversations, and who I am. */
export class Sidebar {
  readonly element: HTMLElement
  readonly #me: string
  readonly #list: ConversationList
  readonly #rows = h('ul')
  readonly #kept = new Kept()
  readonly #name = h('span', { class: 'name', dir: 'auto' })
  readonly #empty: HTMLElement
  readonly #more: HTMLButtonElement

  /** `bell` stands beside the button for a new conversation. */
  constructor(me: string, list: ConversationList, bell: HTMLElement, actions: SidebarActions) {
    this.#me = me
    this.#list = list
    this.#empty = emptyList(actions)
    this.#more = h('button', { type: 'button', class: 'plain more', onclick: () => void list.loadMore() }, 'Show older')
    this.element = h(
      'nav',
      { class: 'sidebar', 'aria-label': 'Conversations' },
      sidebarHead(me, this.#name, bell, actions),
      h('div', { class: 'list' }, this.#rows, this.#more, this.#empty),
    )
  }

  /** Draws the list; `open` is shown as the current one, `seen` counts as read already. */
  draw(open: string | undefined, seen: boolean, now: number): void {
    setText(this.#name, names.of(this.#me))
    const items = this.#list.items
    const rows = items.map((item) => this.#row(item, item.id === open, item.id === open && seen, now))
    this.#kept.keepOnly(new Set(items.map(({ id }) => id)))
    arrange(this.#rows, rows)
    this.#more.hidden = !this.#list.more
    this.#empty.hidden = this.#list.loading || items.length > 0
    this.element.setAttribute('aria-busy', String(this.#list.loading))
  }

  #row(item: ListItem, current: boolean, seen: boolean, now: number): Element {
    const unread = seen ? 0 : item.unread
    const at = briefly(item.at, now)
    const shows = JSON.stringify([item.name, item.members, item.preview, unread, current, at, names.version])
    return this.#kept.node(item.id, shows, () => this.#makeRow(item, unread, current, at))
  }

  #makeRow(item: ListItem, unread: number, current: boolean, at: string): Element {
    const name = nameOf(item, this.#me)
    const count = unread > 99 ? '99+' : String(unread)
    const badge = h('span', { class: 'badge', 'aria-label': `${unread} unread` }, count)
    return h(
      'li',
      { class: unread > 0 ? 'unread' : undefined },
      h(
        'a',
        { href: `#/c/${item.id}`, 'aria-current': current ? 'page' : undefined },
        portrait(item.type, item.members, name, this.#me),
        h('span', { class: 'name', dir: 'auto' }, name),
        h('time', { datetime: new Date(item.at).toISOString() }, at),
        h('span', { class: 'preview', dir: 'auto' }, this.#preview(item)),
        unread > 0 ? badge : undefined,
      ),
    )
  }

  #preview({ preview, type, members }: ListItem): string {
    if (preview === null) return type === 'direct' ? 'Say hello' : `${members.length} members`
    const words = preview.text === '' ? 'Message deleted' : preview.text
    if (preview.user === this.#me) return `You: ${words}`
    return type === 'direct' ? words : `${names.of(preview.user)}: ${words}`
  }
}

/** What stands for a conversation: the other's initials, those of two for a group, a sign for a channel. */
export function portrait(type: string, members: readonly string[], name: string, me: string): HTMLElement {
  const others = members.filter((member) => member !== me)
  if (type === 'channel') return h('span', { class: 'portrait' }, channelSign())
  if (type === 'direct') return h('span', { class: 'portrait' }, avatar(others[0] ?? me))
  const [first = name, second = me] = others
  return h('span', { class: 'portrait pair' }, avatar(first), avatar(second))
}

function sidebarHead(
  me: string,
  name: HTMLElement,
  bell: HTMLElement,
  { newConversation, signOut }: SidebarActions,
): HTMLElement {
  const who = h(
    'button',
    { type: 'button', class: 'me', 'aria-label': `You are ${me}. Account`, 'aria-haspopup': 'menu' },
    avatar(me),
    name,
  )
  who.addEventListener('click', () => openMenu(who, [{ label: 'Sign out', act: signOut }]))
  const buttons = h('span', { class: 'buttons' }, bell, iconButton('plus', 'New conversation', newConversation))
  return h('header', {}, who, buttons)
}

const emptyList = ({ newConversation }: SidebarActions): HTMLElement =>
  h(
    'div',
    { class: 'empty' },
    h('p', {}, 'No conversations yet.'),
    h('button', { type: 'button', class: 'primary', onclick: newConversation }, icon('plus'), 'Start the first one'),
  )
