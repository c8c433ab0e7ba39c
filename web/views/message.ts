import type { MessageLine } from '../../sdk/index.ts'
import { h } from '../ui/dom.ts'
import { names } from '../names.ts'
import { avatar, inkOf } from '../ui/avatar.ts'
import { icon } from '../ui/icons.ts'
import { prose } from '../ui/prose.ts'
import { dayName, momentOf, timeOf } from '../ui/times.ts'
import { iconButton } from '../ui/dialog.ts'
import { counted, explain, listed, seconds } from '../words.ts'
import type { Row } from '../rows.ts'

/** What can be done with a message. */
export interface MessageActions {
  retry(line: MessageLine): void
  discard(line: MessageLine): void
  /** Adds the reader's reaction, or takes it back. */
  react(line: MessageLine, reaction: string): void
  /** Opens the choice of reactions beside `anchor`. */
  chooseReaction(line: MessageLine, anchor: HTMLElement): void
  /** Begins a message that quotes this one. */
  quote(line: MessageLine): void
  /** Scrolls to the message with this seq. */
  reveal(seq: number): void
  /** Opens the thread that this message begins, or that it can begin. */
  openThread(line: MessageLine): void
  /** Shows all texts of an edited message. */
  showEdits(line: MessageLine): void
  /** Opens what else there is, beside `anchor`. */
  more(line: MessageLine, anchor: HTMLElement): void
}

/** How a row depends on its surroundings. */
export interface Setting {
  readonly direct: boolean
  /** The reader may delete what others said. */
  readonly manages: boolean
  /** The reader may react and write. */
  readonly reacts: boolean
  /** These are the replies of a thread. */
  readonly isThread: boolean
  readonly now: number
  readonly actions: MessageActions
}

/** Makes the node of a row. */
export function rowNode(row: Row, setting: Setting): Element {
  switch (row.kind) {
    case 'day':
      return h('li', { class: 'day' }, h('span', {}, dayName(row.at, setting.now)))
    case 'unread':
      return h('li', { class: 'unread-mark' }, h('span', {}, 'New'))
    case 'notice':
      return h('li', { class: 'notice' }, h('span', { title: momentOf(row.line.at) }, noticeWords(row.line)))
    case 'message':
      return messageNode(row, setting)
  }
}

/** All that the node of a row shows, so that it is made again only when it must. */
export function rowShows(row: Row, { direct, manages, reacts, now }: Setting): string {
  if (row.kind === 'day') return dayName(row.at, now)
  if (row.kind === 'notice') return String(names.version)
  if (row.kind !== 'message') return ''
  const { line, first, last, quoted } = row
  const { text, edited, deleted, delivery, seq, problem, reactions } = line
  const { version } = names
  const state = [text, edited, deleted, delivery, seq, problem?.message, reactions, isPinned(line, now), line.replies]
  const shownQuote = [line.replyTo, quoted?.text, quoted?.deleted, quoted?.user]
  return JSON.stringify([state, shownQuote, first, last, direct, manages, reacts, version])
}

function noticeWords({ what, user, subject, role }: Extract<Row, { kind: 'notice' }>['line']): string {
  const [by, member] = [names.of(user), names.of(subject)]
  if (what === 'renamed') return `${by || 'Unknown user'} named this “${subject}”`
  if (what === 'role') {
    const part = role === 'member' ? 'a member like others' : `an ${role}`
    return user === '' ? `${member} is ${part} now` : `${by} made ${member} ${part}`
  }
  const byOneself = user === subject
  if (what === 'joined') return byOneself || user === '' ? `${member} joined` : `${by} added ${member}`
  return byOneself || user === '' ? `${member} left` : `${by} removed ${member}`
}

function messageNode(
  { line, first, last, queued, quoted }: Extract<Row, { kind: 'message' }>,
  setting: Setting,
): Element {
  const marks = [
    'message',
    line.mine ? 'mine' : 'theirs',
    first ? 'first' : '',
    last ? 'last' : '',
    line.deleted ? 'deleted' : '',
    line.delivery,
  ]
  const named = first && !line.mine && !setting.direct
  return h(
    'li',
    { class: marks.filter((mark) => mark !== '').join(' ') },
    h(
      'div',
      { class: 'line' },
      h('span', { class: 'gutter' }, last && !line.mine ? avatar(line.user) : undefined),
      h(
        'div',
        { class: 'bubble' },
        named ? h('span', { class: `author ${inkOf(line.user)}`, dir: 'auto' }, names.of(line.user)) : spoken(line),
        line.replyTo === undefined ? undefined : quote(line.replyTo, quoted, setting),
        ...words(line),
        meta(line, last, setting),
      ),
      actions(line, setting),
    ),
    line.reactions === undefined ? undefined : reactions(line, line.reactions, setting),
    line.replies === undefined || setting.isThread ? undefined : threadButton(line, line.replies, setting),
    line.problem === undefined && !queued ? undefined : trouble(line, queued, setting),
  )
}

/** One's own messages, and all of them for those who manage the conversation. */
const changeable = ({ mine, seq, deleted }: MessageLine, { manages }: Setting): boolean =>
  seq > 0 && !deleted && (mine || manages)

/** The author is shown by side and avatar, and named for screen readers. */
const spoken = ({ mine, user }: MessageLine): Element =>
  h('span', { class: 'unseen' }, mine ? 'You said: ' : `${names.of(user)} said: `)

/** Longer texts are folded until the reader asks for all of it. */
const foldedFrom = { characters: 1500, lines: 20 }
const unfolded = new Set<string>()

function words(line: MessageLine): readonly Node[] {
  if (line.deleted) return [h('p', {}, 'Message deleted')]
  const isLong = line.text.length > foldedFrom.characters || line.text.split('\n').length > foldedFrom.lines
  if (!isLong || unfolded.has(line.key)) return prose(line.text)
  const text = h('div', { class: 'folded' }, ...prose(line.text))
  const unfold = h('button', { type: 'button', class: 'unfold' }, 'Show all')
  unfold.addEventListener('click', () => {
    unfolded.add(line.key)
    text.classList.remove('folded')
    unfold.remove()
  })
  return [text, unfold]
}

/** The time stands once below what one person says in one go; what is not sent yet says so by itself. */
function meta(line: MessageLine, last: boolean, { now, actions }: Setting): Element | undefined {
  const shows = last || line.delivery !== 'sent'
  const time = h(
    'time',
    { class: shows ? undefined : 'unseen', datetime: new Date(line.at).toISOString(), title: momentOf(line.at) },
    timeOf(line.at),
  )
  const edited =
    line.edited && !line.deleted
      ? h(
          'button',
          { type: 'button', class: 'edited', title: 'Show earlier texts', onclick: () => actions.showEdits(line) },
          'edited',
        )
      : undefined
  const pinned = isPinned(line, now)
    ? h('span', { role: 'img', 'aria-label': 'Pinned', title: 'Pinned' }, icon('pin'))
    : undefined
  const delivery = shows && line.mine && !line.deleted ? deliveryIcon(line) : undefined
  return h('span', { class: 'meta' }, pinned, edited, time, delivery)
}

const isPinned = ({ pinned }: MessageLine, now: number): boolean =>
  pinned !== undefined && (pinned.until === undefined || pinned.until > now)

/** The quoted message in a few words; it leads to where that stands. */
function quote(seq: number, quoted: MessageLine | undefined, { actions }: Setting): Element {
  const words = quoted === undefined ? 'An earlier message' : quoted.deleted ? 'Message deleted' : quoted.text
  return h(
    'button',
    { type: 'button', class: 'quote', 'aria-label': 'Go to the quoted message', onclick: () => actions.reveal(seq) },
    quoted === undefined ? undefined : h('strong', { dir: 'auto' }, names.of(quoted.user)),
    h('span', { dir: 'auto' }, words.slice(0, 200)),
  )
}

function threadButton(
  line: MessageLine,
  { count, users }: NonNullable<MessageLine['replies']>,
  { actions }: Setting,
): Element {
  return h(
    'button',
    { type: 'button', class: 'thread-button', onclick: () => actions.openThread(line) },
    ...users.slice(0, 3).map((user) => avatar(user)),
    counted(count, 'reply').replace('replys', 'replies'),
  )
}

/** What was reacted with, how often, and by member. */
function reactions(
  line: MessageLine,
  given: NonNullable<MessageLine['reactions']>,
  { reacts, actions }: Setting,
): Element {
  const chips = given.map(({ reaction, users, mine }) => {
    const by = listed(users.map((user) => names.of(user)))
    return h(
      'button',
      {
        type: 'button',
        class: 'reaction',
        'aria-pressed': String(mine),
        'aria-label': `${reaction} by ${by}`,
        title: by,
        disabled: !reacts,
        onclick: () => actions.react(line, reaction),
      },
      `${reaction} ${users.length}`,
    )
  })
  return h('div', { class: 'reactions' }, ...chips)
}

/** What can be done with a message that has its place; shown while the reader points at it or is in it. */
function actions(line: MessageLine, setting: Setting): Element | undefined {
  const canReact = setting.reacts && line.seq > 0 && !line.deleted
  if (!canReact && !changeable(line, setting)) return undefined
  const buttons = canReact ? [reactButton(line, setting), ...replyButtons(line, setting)] : []
  return h('div', { class: 'actions' }, ...buttons, moreButton(line, setting))
}

/** Shown where there is room; it is among the options as well. */
function inMenu(button: HTMLButtonElement): HTMLButtonElement {
  button.classList.add('in-menu')
  return button
}

/** In a thread one replies below it; a reply in a thread begins none. */
function replyButtons(line: MessageLine, { actions, isThread }: Setting): readonly Element[] {
  if (isThread) return []
  const button = inMenu(iconButton('reply', 'Reply', () => actions.quote(line)))
  return line.thread === undefined
    ? [button, inMenu(iconButton('thread', 'Reply in a thread', () => actions.openThread(line)))]
    : [button]
}

function reactButton(line: MessageLine, { actions }: Setting): Element {
  const button = h('button', {
    type: 'button',
    class: 'icon-button',
    'aria-label': 'React',
    'aria-haspopup': 'dialog',
    title: 'React',
  })
  button.append(icon('smile'))
  button.addEventListener('click', () => actions.chooseReaction(line, button))
  return button
}

function deliveryIcon({ delivery }: MessageLine): Element {
  const [name, words] = {
    sending: ['clock', 'Sending'] as const,
    waiting: ['clock', 'Waiting to be sent'] as const,
    sent: ['check', 'Sent'] as const,
    failed: ['alert', 'Not sent'] as const,
  }[delivery]
  return h('span', { class: 'delivery', role: 'img', 'aria-label': words, title: words }, icon(name))
}

function moreButton(line: MessageLine, { actions }: Setting): Element {
  const button = h('button', {
    type: 'button',
    class: 'icon-button',
    'aria-label': 'Message options',
    'aria-haspopup': 'menu',
  })
  button.append(icon('more'))
  button.addEventListener('click', () => actions.more(line, button))
  return button
}

/** What keeps a message from leaving, and what can be done about it. */
function trouble(line: MessageLine, queued: boolean, { actions }: Setting): Element {
  const failed = line.delivery === 'failed'
  const retry = () => actions.retry(line)
  const discard = () => actions.discard(line)
  return h(
    'div',
    { class: 'trouble', role: failed ? 'alert' : undefined },
    h('span', {}, queued ? 'Waits for the message before it.' : troubleWords(line)),
    failed ? h('button', { type: 'button', onclick: retry }, 'Try again') : undefined,
    h('button', { type: 'button', onclick: discard }, failed ? 'Discard' : 'Cancel'),
  )
}

function troubleWords({ delivery, problem }: MessageLine): string {
  if (delivery === 'failed') return `Not sent. ${explain(problem)}`
  if (problem?.kind === 'tooFast') return `Too fast: goes out in ${seconds(problem.retryAfterMs)}.`
  return problem?.kind === 'unreachable' ? 'Goes out when you are connected.' : 'The server is busy. Trying again…'
}
