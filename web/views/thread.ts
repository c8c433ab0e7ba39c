import type { Conversation, Line, MessageLine, View } from '../../sdk/index.ts'
import { iconButton } from '../ui/dialog.ts'
import { h, setText } from '../ui/dom.ts'
import { counted } from '../words.ts'
import { Composer } from './composer.ts'
import type { MessageActions } from './message.ts'
import { TimelineView } from './timeline.ts'

/** What a thread needs of the conversation in which it is. */
export interface ThreadPort {
  readonly conversation: Conversation
  /** Seq of the message that begins it. */
  readonly root: number
  readonly textBytes: number
  readonly actions: MessageActions
  readonly redraw: () => void
  readonly close: () => void
  /** Tells the reader what could not be done; resolves with whether it was. */
  readonly attempt: (act: () => Promise<unknown>) => Promise<boolean>
}

/** So many pages are read back to have all replies. */
const pagesBack = 20

/** The replies to one message, beside the conversation. */
export class ThreadPane {
  readonly element: HTMLElement
  readonly #port: ThreadPort
  readonly #timeline: TimelineView
  readonly #composer: Composer
  readonly #count = h('p', { class: 'state' })
  readonly #also = h('input', { type: 'checkbox', id: 'also-in-conversation' })
  readonly #follow: HTMLButtonElement
  #follows: boolean | undefined
  /** The user has been said to have read up to here. */
  #read = 0

  constructor(port: ThreadPort) {
    this.#port = port
    this.#timeline = new TimelineView({
      ...port.actions,
      reveal: (seq) => void this.#timeline.reveal(seq),
      loadOlder: async () => {},
      moved: () => port.redraw(),
    })
    this.#follow = h('button', { type: 'button', class: 'plain', hidden: true, onclick: () => void this.#toggle() })
    this.#composer = new Composer(port.textBytes, '', {
      send: (text) => this.#send(text),
      edit: (seq, text) => void port.attempt(() => port.conversation.edit(seq, text)),
      typing: () => {},
      drafted: () => {},
      editLast: () => {},
    })
    const also = h('label', { class: 'also', for: 'also-in-conversation' }, this.#also, 'Also send to the conversation')
    const title = h('div', { class: 'words' }, h('h2', {}, 'Thread'), this.#count)
    this.element = h(
      'aside',
      { class: 'thread', 'aria-label': 'Thread' },
      h('header', {}, title, this.#follow, iconButton('close', 'Close the thread', port.close)),
      this.#timeline.element,
      h('div', { class: 'foot' }, also, this.#composer.element),
    )
    this.element.addEventListener('keydown', (event) => event.key === 'Escape' && port.close())
    void this.#loadAll()
  }

  get root(): number {
    return this.#port.root
  }

  /** Puts the cursor where one replies. */
  focus(): void {
    this.#composer.fit()
    this.#composer.focus()
  }

  /** Changes one of the reader's own replies. */
  edit(seq: number, text: string): void {
    this.#composer.edit(seq, text)
  }

  draw(view: View, setting: Parameters<TimelineView['draw']>[1]): void {
    const lines = this.#lines(view)
    const newest = lines.at(-1)?.seq ?? 0
    this.#timeline.draw({ ...view, lines, newest, more: false }, { ...setting, isThread: true }, '')
    setText(this.#count, counted(Math.max(0, lines.length - 1), 'reply').replace('replys', 'replies'))
    if (newest > this.#read && this.#timeline.atEnd && !document.hidden && view.properties.role !== null)
      void this.#markRead(newest)
  }

  #lines(view: View): readonly Line[] {
    const { conversation, root } = this.#port
    const first = view.lines.find((line): line is MessageLine => line.kind === 'message' && line.seq === root)
    return [...(first === undefined ? [] : [first]), ...conversation.thread(root)]
  }

  #send(text: string): void {
    const { conversation, root, redraw } = this.#port
    conversation.reply(root, text, { alsoInConversation: this.#also.checked })
    redraw()
    this.#timeline.toEnd()
  }

  /** A thread of which nothing is read yet is not followed by reading it. */
  async #markRead(upTo: number): Promise<void> {
    const { conversation, root } = this.#port
    this.#read = upTo
    try {
      this.#showFollows((await conversation.markThreadRead(root, upTo)).follows)
    } catch {
      // It is said again with the next reply.
    }
  }

  async #toggle(): Promise<void> {
    const { conversation, root, attempt } = this.#port
    const wanted = this.#follows !== true
    if (await attempt(() => conversation.followThread(root, wanted))) this.#showFollows(wanted)
  }

  #showFollows(follows: boolean): void {
    this.#follows = follows
    this.#follow.hidden = false
    this.#follow.setAttribute('aria-pressed', String(follows))
    setText(this.#follow, follows ? 'Following' : 'Follow')
  }

  /** Reads back until all replies are held. */
  async #loadAll(): Promise<void> {
    const { conversation, root } = this.#port
    try {
      for (let page = 0; page < pagesBack; page++) {
        const { lines, more } = conversation.view
        const first = lines.find((line) => line.kind === 'message' && line.seq === root)
        if (!more || first !== undefined) return
        await conversation.loadOlder()
      }
    } catch {
      // What is held is shown.
    }
  }
}
