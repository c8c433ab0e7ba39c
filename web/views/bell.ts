import type { Notification, NotificationFeed } from '../../sdk/index.ts'
import { bellWords, targetOf } from '../notification-words.ts'
import { iconButton, openDialog } from '../ui/dialog.ts'
import { arrange, h, Kept, setText } from '../ui/dom.ts'
import { briefly } from '../ui/times.ts'

/** The button with the number of new notifications; it opens the list. */
export class Bell {
  readonly element: HTMLElement
  readonly #feed: NotificationFeed
  readonly #button: HTMLButtonElement
  readonly #badge = h('span', { class: 'bell-count', 'aria-hidden': 'true' })

  constructor(feed: NotificationFeed) {
    this.#feed = feed
    this.#button = iconButton('bell', 'Notifications', () => this.#open())
    this.element = h('span', { class: 'bell' }, this.#button, this.#badge)
    feed.changes.listen(() => this.#draw())
    this.#draw()
  }

  #draw(): void {
    const { label, badge } = bellWords(this.#feed.view.counts.unseen)
    this.#button.setAttribute('aria-label', label)
    this.#button.title = label
    setText(this.#badge, badge)
    this.#badge.hidden = badge === ''
  }

  #open(): void {
    const list = new NotificationList(this.#feed)
    const dialog = openDialog('Notifications', () => list.element)
    const end = this.#feed.changes.listen(() => list.draw())
    dialog.addEventListener('close', end)
    dialog.addEventListener('click', ({ target }) => target instanceof Element && target.closest('a') && dialog.close())
    // What is shown is seen; a failure leaves the number, and the next opening marks again.
    this.#feed.markAll('seen').catch(() => undefined)
  }
}

/** The items of a feed, those that are pinned first. */
class NotificationList {
  readonly element: HTMLElement
  readonly #feed: NotificationFeed
  readonly #rows = h('ul')
  readonly #kept = new Kept()
  readonly #empty = h('p', {}, 'No notifications yet.')
  readonly #more: HTMLButtonElement
  readonly #all: HTMLButtonElement

  constructor(feed: NotificationFeed) {
    this.#feed = feed
    const button = (text: string, act: () => Promise<void>) =>
      h('button', { type: 'button', class: 'plain', onclick: () => void act().catch(() => undefined) }, text)
    this.#more = button('Show older', () => feed.loadMore())
    this.#all = button('Mark all as read', () => feed.markAll('read'))
    this.element = h('div', { class: 'notifications' }, this.#all, this.#rows, this.#empty, this.#more)
    this.draw()
  }

  draw(): void {
    const { items, pinned, counts, hasMore } = this.#feed.view
    const shown = [...pinned, ...items]
    const now = Date.now()
    this.#kept.keepOnly(new Set(shown.map(({ id }) => id)))
    arrange(
      this.#rows,
      shown.map((item) => {
        const at = briefly(item.at, now)
        return this.#kept.node(item.id, JSON.stringify([item, at]), () => this.#row(item, at))
      }),
    )
    this.#empty.hidden = shown.length > 0
    this.#more.hidden = !hasMore
    this.#all.hidden = counts.unread === 0
  }

  #row(item: Notification, at: string): Element {
    const { id, title, body, readAt } = item
    const target = targetOf(item)
    const isElsewhere = target?.startsWith('#') === false
    const content = [
      h('strong', { dir: 'auto' }, title === '' ? body : title),
      h('time', { datetime: new Date(item.at).toISOString() }, at),
      title === '' ? undefined : h('span', { dir: 'auto' }, body),
      readAt === null ? h('span', { class: 'unseen' }, 'Unread') : undefined,
    ]
    const mark = () => void this.#feed.mark('interacted', [id]).catch(() => undefined)
    const link = {
      onclick: mark,
      target: isElsewhere ? '_blank' : undefined,
      rel: isElsewhere ? 'noopener noreferrer' : undefined,
    }
    return h(
      'li',
      { class: readAt === null ? 'unread' : undefined },
      target === undefined
        ? h('button', { type: 'button', class: 'plain', onclick: mark }, ...content)
        : h('a', { href: target, ...link }, ...content),
    )
  }
}
