import type { Conversation, ConversationList, InboxUpdate, MessageLine, Parley, View } from '../../sdk/index.ts'
import { confirm, iconButton } from '../ui/dialog.ts'
import { h, setText } from '../ui/dom.ts'
import { openMenu } from '../ui/menu.ts'
import { openPicker } from '../ui/picker.ts'
import { names } from '../names.ts'
import { counted, explain, listed, nameOf } from '../words.ts'
import { Composer } from './composer.ts'
import { showDetails } from './details.ts'
import { showEdits } from './edits.ts'
import type { MessageActions } from './message.ts'
import { showPins } from './pins.ts'
import { portrait } from './sidebar.ts'
import { ThreadPane } from './thread.ts'
import { TimelineView } from './timeline.ts'
import { Toast } from './toast.ts'

/** What an open conversation needs from the page. */
export interface ConversationPort {
  readonly parley: Parley
  readonly list: ConversationList
  readonly textBytes: number
  readonly draft: string
  /** What is written and not sent has changed. */
  readonly drafted: (text: string) => void
  readonly redraw: () => void
  readonly back: () => void
}

/** So far back a pinned or quoted message is looked for. */
const pagesToReveal = 40

/** One open conversation: who, what was said, and where one writes. */
export class ConversationView {
  readonly element: HTMLElement
  readonly conversation: Conversation
  readonly #port: ConversationPort
  readonly #actions: MessageActions
  readonly #timeline: TimelineView
  #thread: ThreadPane | undefined
  readonly #composer: Composer
  readonly #toast = new Toast()
  readonly #title = h('h2', { dir: 'auto' })
  readonly #state = h('p', { class: 'state' })
  readonly #portrait = h('span')
  readonly #typing = h('div', { class: 'typing', 'aria-live': 'polite' })
  readonly #foot: HTMLElement
  readonly #stop: () => void
  /** Until the first view that is live: then it is known what was unread. */
  #fresh = true
  #portraitShows = ''
  /** The cursor is to go where one writes as soon as that is shown. */
  #wantsCursor = false

  constructor(id: string, port: ConversationPort) {
    this.#port = port
    this.conversation = port.parley.open(id)
    this.#actions = this.#newActions()
    this.#timeline = new TimelineView({
      ...this.#actions,
      loadOlder: () => this.conversation.loadOlder(),
      moved: (atEnd) => {
        if (!atEnd) this.#timeline.markLeft()
        port.redraw()
      },
    })
    this.#composer = this.#newComposer()
    this.#foot = h('div', { class: 'foot' })
    this.element = h(
      'main',
      { class: 'conversation', 'aria-label': 'Conversation', tabindex: -1 },
      this.#head(),
      this.#timeline.element,
      this.#typing,
      this.#toast.element,
      this.#foot,
    )
    this.#stop = this.conversation.changes.listen(() => port.redraw())
    document.addEventListener('visibilitychange', this.#looked)
  }

  #newActions(): MessageActions {
    return {
      retry: ({ clientId }) => this.conversation.retry(clientId),
      discard: ({ clientId }) => this.conversation.discard(clientId),
      more: (line, anchor) => this.#offer(line, anchor),
      quote: ({ seq, user, text }) => this.#composer.quote(seq, names.of(user), text),
      reveal: (seq) => void this.#reveal(seq),
      openThread: ({ seq }) => this.#openThread(seq),
      react: (line, reaction) => void this.#react(line, reaction),
      chooseReaction: (line, anchor) => openPicker(anchor, (reaction) => void this.#react(line, reaction)),
      showEdits: ({ seq }) => showEdits(this.#port.parley, this.conversation, seq),
    }
  }

  #openThread(root: number): void {
    this.#closeThread()
    this.#thread = new ThreadPane({
      conversation: this.conversation,
      root,
      textBytes: this.#port.textBytes,
      actions: this.#actions,
      redraw: this.#port.redraw,
      close: () => {
        this.#closeThread()
        this.focus()
      },
      attempt: (act) => this.#attempt(act),
    })
    this.element.classList.add('threaded')
    this.element.append(this.#thread.element)
    this.draw(Date.now())
    this.#thread.focus()
  }

  #closeThread(): void {
    this.#thread?.element.remove()
    this.#thread = undefined
    this.element.classList.remove('threaded')
  }

  /** True while the newest message is in view. */
  get seen(): boolean {
    return this.#timeline.atEnd && !document.hidden && this.conversation.view.status === 'live'
  }

  /** Puts the cursor where one writes, but not where that would raise a keyboard over the messages. */
  focus(): void {
    this.#wantsCursor = matchMedia('(hover: hover)').matches
    this.#giveCursor()
  }

  /** Puts the cursor where one writes, or where that is not possible, to the conversation. */
  skipTo(): void {
    if (this.#composer.element.isConnected) this.#composer.focus()
    else this.element.focus()
  }

  /** The field is there only once it is known that one may write. */
  #giveCursor(): void {
    if (!this.#wantsCursor || !this.#composer.element.isConnected) return
    this.#wantsCursor = false
    this.#composer.focus()
  }

  /** A member that was removed and is added again need not leave the page and come back. */
  hear(update: InboxUpdate): void {
    const { id, view } = this.conversation
    if (update.kind === 'changed' && update.item.id === id && view.status === 'ended') this.conversation.open()
  }

  /** Ends it; what is on its way still leaves. */
  end(): void {
    this.#stop()
    document.removeEventListener('visibilitychange', this.#looked)
    this.conversation.close()
  }

  /** Draws what is true now. */
  draw(now: number): void {
    const { view } = this.conversation
    this.#drawHead(view)
    if (this.#fresh && view.status === 'live') {
      this.#fresh = false
      if (view.properties.role !== null && view.read < view.newest) this.#timeline.markUnread(view.read)
    }
    if (!this.#fresh || view.lines.length > 0) this.#timeline.draw(view, this.#setting(view, now), this.#seenBy(view))
    this.#thread?.draw(view, this.#setting(view, now))
    this.#drawTyping(view)
    this.#drawFoot(view)
    if (this.seen) this.conversation.markRead(view.newest)
  }

  #setting({ properties }: View, now: number): Parameters<TimelineView['draw']>[1] {
    const direct = properties.type === 'direct'
    return { direct, manages: this.#manages(), reacts: properties.role !== null, isThread: false, now }
  }

  readonly #looked = () => {
    if (document.hidden) this.#timeline.markUnread(this.conversation.view.newest)
    this.#port.redraw()
  }

  #head(): HTMLElement {
    const { parley, list, back } = this.#port
    const about = () => showDetails(parley, this.conversation, list.people)
    const pins = () => showPins(parley, this.conversation, { reveal: (seq) => void this.#reveal(seq) })
    const words = h('div', { class: 'words' }, this.#title, this.#state)
    return h(
      'header',
      {},
      iconButton('back', 'Back to the list', back),
      this.#portrait,
      words,
      iconButton('pin', 'Pinned messages', pins),
      iconButton('people', 'About this conversation', about),
    )
  }

  #drawHead(view: View): void {
    const { user } = this.#port.parley
    const item = this.#port.list.find(this.conversation.id)
    const type = view.properties.type || (item?.type ?? '')
    const known = view.members.length > 0 ? view.members.map((member) => member.user) : (item?.members ?? [])
    const name = nameOf({ type, name: view.properties.name || (item?.name ?? ''), members: known }, user)
    setText(this.#title, known.length === 0 && name === 'Unnamed conversation' ? '…' : name)
    setText(this.#state, stateWords(view, user))
    this.#state.classList.toggle(
      'here',
      view.here.some((one) => one !== user),
    )
    const shows = JSON.stringify([type, known.slice(0, 3), name, names.version])
    if (shows !== this.#portraitShows && type !== '') this.#portrait.replaceChildren(portrait(type, known, name, user))
    this.#portraitShows = shows
  }

  #drawTyping({ typing }: View): void {
    const words =
      typing.length === 0
        ? ''
        : `${listed(typing.map((user) => names.of(user)))} ${typing.length === 1 ? 'is' : 'are'} typing`
    setText(this.#typing, words)
  }

  #drawFoot({ status, problem, properties }: View): void {
    if (status === 'ended') return this.#setFoot('ended', () => h('p', { class: 'closed' }, endWords(problem?.code)))
    if (properties.role === null) return this.#setFoot('join', () => this.#joinBar())
    this.#setFoot('write', () => this.#composer.element)
  }

  #setFoot(shows: string, make: () => Element): void {
    if (this.#foot.dataset['shows'] === shows) return
    this.#foot.dataset['shows'] = shows
    this.#foot.replaceChildren(make())
    this.#composer.fit()
    this.#giveCursor()
  }

  #joinBar(): Element {
    const { parley } = this.#port
    const join = () => {
      this.focus()
      void this.#attempt(() => parley.conversations.add(this.conversation.id, [parley.user]))
    }
    const button = h('button', { type: 'button', class: 'primary', onclick: join }, 'Join to write')
    return h('div', { class: 'join' }, h('p', {}, 'You are reading along.'), button)
  }

  /** The members who have read the user's last message, where it is the last one. */
  #seenBy({ lines, members, properties }: View): string {
    const last = lines.findLast((line) => line.kind === 'message')
    if (last?.kind !== 'message' || !last.mine || last.seq === 0 || last.deleted) return ''
    const readers = members.filter(
      ({ user, read, joined }) => user !== this.#port.parley.user && joined < last.seq && read >= last.seq,
    )
    if (readers.length === 0) return ''
    return properties.type === 'direct' ? 'Seen' : `Seen by ${listed(readers.map(({ user }) => names.of(user)))}`
  }

  #newComposer(): Composer {
    const { textBytes, draft, drafted } = this.#port
    return new Composer(textBytes, draft, {
      send: (text, replyTo) => {
        this.#timeline.markUnread(undefined)
        this.conversation.send(text, { replyTo })
        this.#port.redraw()
        this.#timeline.toEnd()
      },
      edit: (seq, text) => void this.#edit(seq, text),
      typing: () => this.conversation.typing(),
      drafted,
      editLast: () => this.#editLast(),
    })
  }

  /** What could not be changed is there to be tried again, or to be copied: nothing that was written is lost. */
  async #edit(seq: number, text: string): Promise<void> {
    const done = await this.#attempt(() => this.conversation.edit(seq, text))
    if (!done && !this.#composer.editing) this.#composer.edit(seq, text)
  }

  #editLast(): void {
    const last = this.conversation.view.lines.findLast(
      (line) => line.kind === 'message' && line.mine && line.seq > 0 && !line.deleted,
    )
    if (last?.kind === 'message') this.#composer.edit(last.seq, last.text)
  }

  #offer(line: MessageLine, anchor: HTMLElement): void {
    const copy = { label: 'Copy text', act: () => void this.#attempt(() => navigator.clipboard.writeText(line.text)) }
    const isInThread = this.#thread !== undefined && anchor.closest('.thread') !== null
    const composer = isInThread ? this.#thread : this.#composer
    const edit = { label: 'Edit', act: () => composer?.edit(line.seq, line.text) }
    const remove = { label: 'Delete', danger: true, act: () => this.#askDelete(line) }
    const pin =
      line.pinned === undefined
        ? { label: 'Pin', act: () => this.conversation.pin(line.seq) }
        : { label: 'Unpin', act: () => this.conversation.unpin(line.seq) }
    const asked = { label: pin.label, act: () => void this.#attempt(pin.act) }
    const { type } = this.conversation.view.properties
    const canReply = this.conversation.view.properties.role !== null && !isInThread
    const reply = { label: 'Reply', act: () => this.#actions.quote(line) }
    const thread = { label: 'Reply in a thread', act: () => this.#openThread(line.seq) }
    openMenu(anchor, [
      ...(canReply ? [reply] : []),
      ...(canReply && line.thread === undefined ? [thread] : []),
      copy,
      ...(type === 'direct' || this.#manages() ? [asked] : []),
      ...(line.mine ? [edit] : []),
      ...(line.mine || this.#manages() ? [remove] : []),
    ])
  }

  async #react({ seq, reactions }: MessageLine, reaction: string): Promise<void> {
    const isMine = reactions?.some((one) => one.reaction === reaction && one.mine) === true
    const change = () => (isMine ? this.conversation.unreact(seq, reaction) : this.conversation.react(seq, reaction))
    await this.#attempt(change)
  }

  /** Shows a message that may lie before those that are loaded. */
  async #reveal(seq: number): Promise<void> {
    for (let page = 0; page < pagesToReveal && this.#isBefore(seq); page++)
      if (!(await this.#attempt(() => this.conversation.loadOlder()))) return
    this.draw(Date.now())
    if (!this.#timeline.reveal(seq)) this.#toast.say('This message is too far back to be shown here.')
  }

  #isBefore(seq: number): boolean {
    const { lines, more } = this.conversation.view
    return more && !lines.some((line) => line.seq > 0 && line.seq <= seq)
  }

  #manages(): boolean {
    const { properties } = this.conversation.view
    return properties.type !== 'direct' && (properties.role === 'owner' || properties.role === 'admin')
  }

  #askDelete({ seq }: MessageLine): void {
    confirm(
      'Delete message',
      'It disappears for everyone, and cannot be brought back.',
      'Delete',
      () => void this.#attempt(() => this.conversation.delete(seq)),
    )
  }

  /** Says what went wrong; false when something did. */
  async #attempt(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act()
      return true
    } catch (thrown) {
      this.#toast.say(explain(thrown))
      return false
    }
  }
}

/** The present users, in a few words. */
function stateWords({ properties, here, hereKnown, members, status }: View, me: string): string {
  if (status === 'opening') return 'Opening…'
  const others = here.filter((user) => user !== me)
  if (properties.type === 'direct') return others.length > 0 ? 'here now' : hereKnown ? 'away' : ''
  const count = counted(Math.max(properties.memberCount, members.length), 'member')
  if (others.length === 0) return count
  return `${count}, ${others.length > 3 ? `${others.length} others` : listed(others.map((user) => names.of(user)))} here`
}

const endWords = (code: number | undefined): string =>
  code === 2100
    ? 'You are not in this conversation any more.'
    : 'This conversation does not exist, or you are not in it.'
