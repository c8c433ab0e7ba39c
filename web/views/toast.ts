import { h, setText } from '../ui/dom.ts'

const shownForMs = 6000

/** A sentence about something that did not work, for a while. */
export class Toast {
  readonly element = h('p', { class: 'toast', role: 'alert' })
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Says it; what was said before gives way. */
  say(words: string): void {
    setText(this.element, words)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => setText(this.element, ''), shownForMs)
  }
}
