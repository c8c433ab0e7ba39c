import { arrange, h, setText } from '../ui/dom.ts'
import { avatar } from '../ui/avatar.ts'
import { icon } from '../ui/icons.ts'
import { idProblem, namesIn } from '../words.ts'

/** A field for one or several people: each name becomes a chip. */
export class PeopleField {
  readonly element: HTMLElement
  readonly #chips = h('span', { class: 'chips' })
  readonly #input: HTMLInputElement
  readonly #label: HTMLLabelElement
  readonly #problem: HTMLElement
  readonly #words: string
  #names: readonly string[] = []
  #most = Number.POSITIVE_INFINITY

  constructor(suggestions: readonly string[], problem: HTMLElement, words = 'People') {
    this.#words = words
    this.#problem = problem
    this.#label = h('label', { for: 'people' }, words)
    this.#input = h('input', {
      id: 'people',
      autocomplete: 'off',
      autocapitalize: 'none',
      spellcheck: 'false',
      list: 'known-people',
    })
    const known = h('datalist', { id: 'known-people' }, ...suggestions.map((name) => h('option', { value: name })))
    const box = h('div', { class: 'people-field' }, this.#chips, this.#input, known)
    this.element = h('div', { class: 'field' }, this.#label, box)
    box.addEventListener('click', (event) => event.target === box && this.#input.focus())
    this.#input.addEventListener('keydown', (event) => this.#key(event))
    this.#input.addEventListener('paste', (event) => this.#paste(event))
    this.#input.addEventListener('input', () => setText(problem, ''))
    this.#draw()
  }

  /** How many people it takes, and what it is called then. */
  allow(most: number): void {
    this.#most = most
    this.#names = this.#names.slice(0, most)
    setText(this.#label, most === 1 ? 'Person' : this.#words)
    this.#draw()
  }

  /** Puts the cursor there. */
  focus(): void {
    this.#input.focus()
  }

  /** The names, with what is typed but not yet a chip; undefined when that is no name. */
  take(): readonly string[] | undefined {
    return this.#input.value.trim() === '' || this.#add() ? this.#names : undefined
  }

  /** Empties it. */
  clear(): void {
    this.#names = []
    this.#input.value = ''
    this.#draw()
  }

  #key(event: KeyboardEvent): void {
    if (event.isComposing) return
    const typed = this.#input.value.trim() !== ''
    if (typed && (event.key === ',' || event.key === ' ' || event.key === 'Enter')) {
      event.preventDefault()
      this.#add()
    } else if (event.key === 'Backspace' && this.#input.value === '') {
      this.#remove(this.#names.at(-1))
    }
  }

  /** A field of one line drops line breaks, and would join the names on either side of them. */
  #paste(event: ClipboardEvent): void {
    const pasted = event.clipboardData?.getData('text') ?? ''
    if (namesIn(pasted).length < 2) return
    event.preventDefault()
    this.#input.value = `${this.#input.value} ${pasted.replaceAll(/\s+/g, ' ')}`
    this.#add()
  }

  /** Makes a chip of what is typed; false when it is no name. */
  #add(): boolean {
    const names = namesIn(this.#input.value)
    const tooMany = names.length > this.#most ? 'Enter one name only, or start a group.' : undefined
    const wrong = tooMany ?? names.map(idProblem).find((problem) => problem !== undefined)
    setText(this.#problem, wrong ?? '')
    if (wrong !== undefined) return false
    this.#names = [...new Set([...this.#names, ...names])].slice(-this.#most)
    this.#input.value = ''
    this.#draw()
    return true
  }

  #remove(name: string | undefined): void {
    this.#names = this.#names.filter((one) => one !== name)
    this.#draw()
    this.#input.focus()
  }

  #draw(): void {
    arrange(
      this.#chips,
      this.#names.map((name) => this.#chip(name)),
    )
    this.#input.placeholder = this.#names.length > 0 ? '' : this.#most === 1 ? 'bob' : 'bob, carol'
  }

  #chip(name: string): HTMLElement {
    const remove = () => this.#remove(name)
    return h(
      'span',
      { class: 'chip' },
      avatar(name),
      name,
      h('button', { type: 'button', 'aria-label': `Remove ${name}`, onclick: remove }, icon('close')),
    )
  }
}
