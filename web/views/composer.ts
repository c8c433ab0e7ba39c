import { h, setText } from '../ui/dom.ts'
import { iconButton } from '../ui/dialog.ts'
import { icon } from '../ui/icons.ts'
import { bytesOf, cleaned } from '../words.ts'

/** What the composer hands over. */
export interface ComposerPort {
  /** `replyTo` is the seq of the message that it quotes. */
  send(text: string, replyTo?: number): void
  /** Gives the message at `seq` these words. */
  edit(seq: number, text: string): void
  typing(): void
  /** What is written and not sent has changed. */
  drafted(text: string): void
  /** The arrow up in an empty field: edit what was said last. */
  editLast(): void
}

/** How near the limit the counter appears, as a share of it. */
const nearLimit = 0.8

/** Where one writes: Enter sends, Shift+Enter makes a new line. */
export class Composer {
  readonly element: HTMLFormElement
  readonly #port: ComposerPort
  readonly #limit: number
  readonly #field: HTMLTextAreaElement
  readonly #send: HTMLButtonElement
  readonly #counter = h('span', { id: 'counter', class: 'counter', role: 'status' })
  readonly #editing: HTMLElement
  readonly #quoting: HTMLElement
  readonly #quoted = h('span', { dir: 'auto' })
  #replyTo: number | undefined
  #edited: number | undefined
  /** What was being written before an edit began. */
  #draft = ''

  constructor(limit: number, draft: string, port: ComposerPort) {
    this.#port = port
    this.#limit = limit
    this.#field = h('textarea', {
      rows: 1,
      'aria-label': 'Message',
      'aria-describedby': 'counter',
      placeholder: 'Write a message',
      dir: 'auto',
      enterkeyhint: 'send',
    })
    this.#field.value = draft
    this.#send = h(
      'button',
      { type: 'submit', class: 'send', 'aria-label': 'Send', title: 'Send (Enter)' },
      icon('send'),
    )
    this.#editing = h(
      'div',
      { class: 'editing', hidden: true },
      h('span', {}, 'Editing your message'),
      iconButton('close', 'Stop editing', () => this.#stopEditing()),
    )
    this.#quoting = h(
      'div',
      { class: 'editing', hidden: true },
      this.#quoted,
      iconButton('close', 'Do not quote', () => this.#stopQuoting()),
    )
    const row = h('div', { class: 'row' }, this.#field, this.#send)
    this.element = h('form', { class: 'composer' }, this.#editing, this.#quoting, row, this.#counter)
    this.#follow()
    this.#draw()
  }

  /** What is written and not sent. */
  get draft(): string {
    return this.#edited === undefined ? this.#field.value : this.#draft
  }

  /** True while a message that was said is being changed. */
  get editing(): boolean {
    return this.#edited !== undefined
  }

  /** Puts the cursor there. */
  focus(): void {
    this.#field.focus()
  }

  /** Grows with what is written; that can only be measured once it is on the page. */
  fit(): void {
    if (!this.#field.isConnected) return
    this.#field.style.setProperty('height', 'auto')
    this.#field.style.setProperty('height', `${this.#field.scrollHeight}px`)
  }

  /** Changes a message that was said. */
  edit(seq: number, text: string): void {
    if (this.#edited === undefined) this.#draft = this.#field.value
    this.#edited = seq
    this.#fill(text)
    this.#field.focus()
  }

  /** The next message quotes the one at `seq`. */
  quote(seq: number, author: string, text: string): void {
    if (this.#edited !== undefined) this.#stopEditing()
    this.#replyTo = seq
    setText(this.#quoted, `Replying to ${author}: ${text.slice(0, 120)}`)
    this.#quoting.hidden = false
    this.#field.focus()
  }

  #stopQuoting(): void {
    this.#replyTo = undefined
    this.#quoting.hidden = true
    this.#field.focus()
  }

  #follow(): void {
    this.element.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#submit()
    })
    this.#field.addEventListener('keydown', (event) => this.#key(event))
    this.#field.addEventListener('input', () => {
      this.#draw()
      if (this.#edited === undefined && cleaned(this.#field.value) !== '') this.#port.typing()
    })
  }

  #key(event: KeyboardEvent): void {
    // Safari ends a composition with an Enter that is none of its own, and gives it this code.
    if (event.isComposing || event.keyCode === 229) return
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault()
      this.#submit()
    } else if (event.key === 'Escape' && this.#edited !== undefined) {
      event.stopPropagation()
      this.#stopEditing()
    } else if (event.key === 'Escape' && this.#replyTo !== undefined) {
      event.stopPropagation()
      this.#stopQuoting()
    } else if (event.key === 'ArrowUp' && this.#field.value === '' && this.#edited === undefined) {
      event.preventDefault()
      this.#port.editLast()
    }
  }

  #submit(): void {
    const text = cleaned(this.#field.value)
    if (text === '' || bytesOf(text) > this.#limit) return this.#field.focus()
    if (this.#edited === undefined) {
      this.#port.send(text, this.#replyTo)
      this.#stopQuoting()
      this.#fill('')
    } else {
      this.#port.edit(this.#edited, text)
      this.#stopEditing()
    }
    this.#field.focus()
  }

  #stopEditing(): void {
    this.#edited = undefined
    this.#fill(this.#draft)
    this.#draft = ''
    this.#field.focus()
  }

  #fill(text: string): void {
    this.#field.value = text
    this.#draw()
  }

  #draw(): void {
    const text = cleaned(this.#field.value)
    const left = this.#limit - bytesOf(text)
    this.#editing.hidden = this.#edited === undefined
    this.#send.disabled = text === '' || left < 0
    this.#field.setAttribute('aria-invalid', String(left < 0))
    setText(this.#counter, counterWords(left, this.#limit))
    this.#counter.classList.toggle('over', left < 0)
    this.fit()
    this.#port.drafted(this.draft)
  }
}

/** Most texts have one byte to a letter; the limit counts bytes, and so does the counter. */
function counterWords(left: number, limit: number): string {
  if (left < 0) return `Too long by ${(-left).toLocaleString()} bytes. Shorten it to send it.`
  return left < limit * (1 - nearLimit) ? `${left.toLocaleString()} bytes left` : ''
}
