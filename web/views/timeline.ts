import type { View } from '../../sdk/index.ts'
import { isFromOthers, rowsOf, type Row } from '../rows.ts'
import { arrange, h, Kept, setText } from '../ui/dom.ts'
import { icon } from '../ui/icons.ts'
import { counted } from '../words.ts'
import { rowNode, rowShows, type MessageActions, type Setting } from './message.ts'

const nearEnd = 60
const nearStart = 400

/** What the timeline asks for and tells. */
export interface TimelinePort extends MessageActions {
  loadOlder(): Promise<void>
  /** The reader came to the end, or left it. */
  moved(atEnd: boolean): void
}

/** The messages, scrolled: stays at the end while the reader is there, and stands still while not. */
export class TimelineView {
  readonly element: HTMLElement
  readonly #port: TimelinePort
  readonly #kept = new Kept()
  readonly #rows = h('ol')
  readonly #start = h('div', { class: 'start' })
  readonly #seen = h('div', { class: 'seen' })
  readonly #scroller: HTMLElement
  readonly #jump: HTMLButtonElement
  readonly #jumpWords = h('span')
  #view: View | undefined
  #atEnd = true
  #placed = false
  #loading: 'no' | 'yes' | 'failed' = 'no'
  /** The highest seq that was there when the reader was last at the end. */
  #seenUpTo = 0
  #unreadAfter: number | undefined

  constructor(port: TimelinePort) {
    this.#port = port
    const log = h('div', { role: 'log', 'aria-label': 'Messages' }, this.#rows)
    this.#scroller = h('div', { class: 'scroller', tabindex: 0 }, this.#start, log, this.#seen)
    const jump = () => this.toEnd()
    this.#jump = h(
      'button',
      { type: 'button', class: 'jump', hidden: true, onclick: jump },
      this.#jumpWords,
      icon('down'),
    )
    this.element = h('div', { class: 'timeline' }, this.#scroller, this.#jump)
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true })
    new ResizeObserver(() => this.#atEnd && this.#scrollToEnd()).observe(this.#scroller)
  }

  /** True while the newest message is in sight. */
  get atEnd(): boolean {
    return this.#atEnd
  }

  /** From the next message on, everything is new to the reader. */
  markUnread(after: number | undefined): void {
    this.#unreadAfter = after
  }

  /** The reader leaves the end: what comes now is new, unless something was already. */
  markLeft(): void {
    this.#unreadAfter ??= this.#view?.newest
  }

  /** Goes to the newest message. */
  toEnd(): void {
    this.#scrollToEnd()
    this.#scrolled()
  }

  /** Scrolls to the message with this seq and marks it for a moment; false when it is not loaded. */
  reveal(seq: number): boolean {
    const line = this.#view?.lines.find((one) => one.kind === 'message' && one.seq === seq)
    const row = [...this.#rows.children].find((one) => one instanceof HTMLElement && one.dataset['key'] === line?.key)
    if (line === undefined || !(row instanceof HTMLElement)) return false
    this.#scroller.scrollTop = row.offsetTop - this.#scroller.clientHeight / 3
    this.#scrolled()
    row.classList.remove('revealed')
    // Read, so that the animation begins again.
    void row.offsetWidth
    row.classList.add('revealed')
    row.tabIndex = -1
    row.focus({ preventScroll: true })
    return true
  }

  /** Draws what there is. `seenBy` stands under the reader's own last message. */
  draw(view: View, setting: Omit<Setting, 'actions'>, seenBy: string): void {
    const anchor = this.#anchor()
    this.#view = view
    const rows = rowsOf(view.lines, this.#unreadAfter)
    const nodes = rows.map((row) => this.#node(row, { ...setting, actions: this.#port }))
    this.#kept.keepOnly(new Set(rows.map(({ key }) => key)))
    arrange(this.#rows, nodes)
    setText(this.#seen, seenBy)
    this.#drawStart(view)
    this.#settle(anchor)
    this.#afterScroll()
  }

  #node(row: Row, setting: Setting): Element {
    return this.#kept.node(row.key, rowShows(row, setting), () => {
      const node = rowNode(row, setting)
      node.setAttribute('data-key', row.key)
      return node
    })
  }

  #drawStart({ more, lines, status }: View): void {
    const words = {
      no: more || status === 'opening' ? '' : lines.length === 0 ? 'Nothing said yet.' : 'This is the beginning.',
      yes: 'Loading earlier messages…',
      failed: 'Earlier messages could not be loaded. Scroll up to try again.',
    }[this.#loading]
    setText(this.#start, words)
    this.#rows.parentElement?.setAttribute('aria-busy', String(this.#loading === 'yes'))
  }

  /** The first line in sight and where it stands, to put it back there; what separates lines may go elsewhere. */
  #anchor(): { readonly key: string; readonly top: number } | undefined {
    const { scrollTop } = this.#scroller
    for (const row of this.#rows.children) {
      if (!(row instanceof HTMLElement) || row.matches('.day, .unread-mark')) continue
      if (row.offsetTop + row.offsetHeight <= scrollTop) continue
      return { key: row.dataset['key'] ?? '', top: row.offsetTop - scrollTop }
    }
    return undefined
  }

  #settle(anchor: { readonly key: string; readonly top: number } | undefined): void {
    if (!this.#placed) return this.#placeFirst()
    if (this.#atEnd) return this.#scrollToEnd()
    const row = [...this.#rows.children].find((one) => one instanceof HTMLElement && one.dataset['key'] === anchor?.key)
    if (row instanceof HTMLElement && anchor !== undefined) this.#scroller.scrollTop = row.offsetTop - anchor.top
  }

  /** Begins at the first unread message, where there is one, else at the end. */
  #placeFirst(): void {
    if (this.#view === undefined || this.#view.lines.length === 0) return
    this.#placed = true
    this.#scrollToEnd()
    const mark = this.#rows.querySelector('.unread-mark')
    if (!(mark instanceof HTMLElement)) return
    const wanted = mark.offsetTop - this.#scroller.clientHeight / 4
    if (wanted < this.#scroller.scrollTop) this.#scroller.scrollTop = wanted
    this.#atEnd = this.#isAtEnd()
  }

  #scrollToEnd(): void {
    this.#scroller.scrollTop = this.#scroller.scrollHeight
  }

  #isAtEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller
    return scrollHeight - scrollTop - clientHeight < nearEnd
  }

  #scrolled(): void {
    const atEnd = this.#isAtEnd()
    const changed = atEnd !== this.#atEnd
    this.#atEnd = atEnd
    this.#afterScroll()
    if (changed) this.#port.moved(atEnd)
  }

  #afterScroll(): void {
    const view = this.#view
    if (view === undefined) return
    if (this.#atEnd) this.#seenUpTo = view.newest
    const update = view.lines.filter((line) => isFromOthers(line) && line.seq > this.#seenUpTo).length
    this.#jump.hidden = this.#atEnd
    setText(this.#jumpWords, update === 0 ? 'Newest' : counted(update, 'new message'))
    if (view.more && view.status === 'live' && this.#loading !== 'yes' && this.#scroller.scrollTop < nearStart)
      void this.#loadOlder()
  }

  async #loadOlder(): Promise<void> {
    this.#loading = 'yes'
    if (this.#view !== undefined) this.#drawStart(this.#view)
    try {
      await this.#port.loadOlder()
      this.#loading = 'no'
    } catch {
      this.#loading = 'failed'
    }
    if (this.#view !== undefined) this.#drawStart(this.#view)
  }
}
