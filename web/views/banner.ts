import type { ConnectionState, ConversationStatus } from '../../sdk/index.ts'
import { h, setText } from '../ui/dom.ts'

/** What the banner says, and what its button does; nothing when all is well. */
interface Notice {
  readonly look: 'calm' | 'trouble'
  readonly words: string
  readonly button?: string
}

/** Says how the connection is, but not every flicker of it: short interruptions mend unseen. */
export class Banner {
  readonly element: HTMLElement
  readonly #words = h('span')
  readonly #button: HTMLButtonElement
  #shown = ''
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(reconnect: () => void) {
    this.#button = h('button', { type: 'button', onclick: reconnect })
    this.element = h('div', { class: 'banner', role: 'status', hidden: true }, this.#words, this.#button)
  }

  /** Shows the state; a new one replaces it after a moment, good news at once. */
  show(connection: ConnectionState, status: ConversationStatus | undefined): void {
    const notice = noticeFor(connection, status)
    const next = notice?.words ?? ''
    if (next === this.#shown) return
    this.#shown = next
    clearTimeout(this.#timer)
    if (notice === undefined) this.element.hidden = true
    else this.#timer = setTimeout(() => this.#reveal(notice), notice.look === 'calm' ? 700 : 150)
  }

  #reveal({ look, words, button }: Notice): void {
    this.element.dataset['look'] = look
    setText(this.#words, words)
    setText(this.#button, button ?? '')
    this.#button.hidden = button === undefined
    this.element.hidden = false
  }
}

function noticeFor(connection: ConnectionState, status: ConversationStatus | undefined): Notice | undefined {
  switch (connection.kind) {
    case 'idle':
    case 'connecting':
      return { look: 'calm', words: 'Connecting…' }
    case 'offline':
      return navigator.onLine
        ? { look: 'trouble', words: 'Connection lost. Trying again…', button: 'Try now' }
        : { look: 'trouble', words: 'You are offline. What you write is sent when you are back.' }
    case 'stopped':
      return { look: 'trouble', words: `Disconnected: ${connection.reason}.`, button: 'Connect again' }
    case 'online':
      return status === 'catchingUp' ? { look: 'calm', words: 'Catching up…' } : undefined
  }
}
