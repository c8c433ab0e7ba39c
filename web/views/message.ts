import type { MessageLine } from '../../sdk/index.ts'
import { h } from '../ui/dom.ts'
import { flag, inkOf } from '../ui/flags.ts'
import { icon } from '../ui/icons.ts'
import { prose } from '../ui/prose.ts'
import { dayName, momentOf, timeOf } from '../ui/times.ts'
import { explain, seconds } from '../words.ts'
import type { Row } from '../rows.ts'

/** What can be done with a message. */
export interface MessageActions {
  retry(line: MessageLine): void
  discard(line: MessageLine): void
  /** Opens what else there is, beside `anchor`. */
  more(line: MessageLine, anchor: HTMLElement): void
}

/** How a row depends on its surroundings. */
export interface Setting {
  readonly direct: boolean
  /** The reader may delete what others said. */
  readonly manages: boolean
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
export function rowShows(row: Row, { direct, manages, now }: Setting): string {
  if (row.kind === 'day') return dayName(row.at, now)
  if (row.kind !== 'message') return ''
  const { line, first, last } = row
  const { text, edited, deleted, delivery, seq, problem } = line
  return JSON.stringify([text, edited, deleted, delivery, seq, problem?.message, first, last, direct, manages])
}

function noticeWords({ what, user, subject, role }: Extract<Row, { kind: 'notice' }>['line']): string {
  if (what === 'renamed') return `${user || 'Unknown user'} named this “${subject}”`
  if (what === 'role') {
    const part = role === 'member' ? 'a member like others' : `an ${role}`
    return user === '' ? `${subject} is ${part} now` : `${user} made ${subject} ${part}`
  }
  const byOneself = user === subject
  if (what === 'joined') return byOneself || user === '' ? `${subject} joined` : `${user} added ${subject}`
  return byOneself || user === '' ? `${subject} left` : `${user} removed ${subject}`
}

function messageNode({ line, first, last, queued }: Extract<Row, { kind: 'message' }>, setting: Setting): Element {
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
      h('span', { class: 'gutter' }, last && !line.mine ? flag(line.user) : undefined),
      h(
        'div',
        { class: 'bubble' },
        named ? h('span', { class: `author ${inkOf(line.user)}` }, line.user) : spoken(line),
        h('p', {}, ...(line.deleted ? ['Message deleted'] : prose(line.text))),
        meta(line),
      ),
      changeable(line, setting) ? moreButton(line, setting) : undefined,
    ),
    line.problem === undefined && !queued ? undefined : trouble(line, queued, setting),
  )
}

/** One's own messages, and all of them for those who manage the conversation. */
const changeable = ({ mine, seq, deleted }: MessageLine, { manages }: Setting): boolean =>
  seq > 0 && !deleted && (mine || manages)

/** The author is shown by side and avatar, and named for screen readers. */
const spoken = ({ mine, user }: MessageLine): Element =>
  h('span', { class: 'unseen' }, mine ? 'You said: ' : `${user} said: `)

function meta(line: MessageLine): Element {
  const time = h('time', { datetime: new Date(line.at).toISOString(), title: momentOf(line.at) }, timeOf(line.at))
  const edited = line.edited && !line.deleted ? h('span', {}, 'edited') : undefined
  return h('span', { class: 'meta' }, edited, time, line.mine && !line.deleted ? deliveryIcon(line) : undefined)
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
    class: 'icon-button more-button',
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
