import type { ConversationType, NewConversation, Parley } from '../../sdk/index.ts'
import { openDialog } from '../ui/dialog.ts'
import { h, setText } from '../ui/dom.ts'
import { cleaned, explain } from '../words.ts'
import { PeopleField } from './people-field.ts'

const kinds: readonly { readonly type: ConversationType; readonly label: string; readonly hint: string }[] = [
  { type: 'direct', label: 'Direct', hint: 'Just the two of you.' },
  { type: 'group', label: 'Group', hint: 'The people you choose.' },
  { type: 'channel', label: 'Channel', hint: 'Everyone can read it and join.' },
]

/** Asks with whom to talk and how, makes the conversation and opens it. */
export function askForConversation(parley: Parley, known: readonly string[], open: (id: string) => void): void {
  openDialog('New conversation', (close) => {
    const form = new Form(parley, known, (id) => {
      close()
      open(id)
    })
    return form.element
  })
}

class Form {
  readonly element: HTMLFormElement
  readonly #parley: Parley
  readonly #done: (id: string) => void
  readonly #problem = h('p', { class: 'problem', role: 'alert' })
  readonly #hint = h('p', { class: 'hint' })
  readonly #people: PeopleField
  readonly #name = h('input', { id: 'conversation-name', maxlength: 200, autocomplete: 'off', dir: 'auto' })
  readonly #nameField = h('div', { class: 'field' }, h('label', { for: 'conversation-name' }, 'Name'), this.#name)
  readonly #start = h('button', { type: 'submit', class: 'primary' }, 'Start')
  #type: ConversationType = 'direct'

  constructor(parley: Parley, known: readonly string[], done: (id: string) => void) {
    this.#parley = parley
    this.#done = done
    this.#people = new PeopleField(known, this.#problem)
    const choice = h(
      'fieldset',
      { class: 'choice' },
      h('legend', {}, 'Kind'),
      ...kinds.map((kind) => this.#radio(kind)),
    )
    this.element = h(
      'form',
      { novalidate: true },
      choice,
      this.#hint,
      this.#people.element,
      this.#nameField,
      this.#problem,
      this.#start,
    )
    this.element.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#submit()
    })
    this.#choose('direct')
    queueMicrotask(() => this.#people.focus())
  }

  #radio({ type, label }: (typeof kinds)[number]): HTMLElement {
    const input = h('input', { type: 'radio', name: 'kind', value: type, checked: type === this.#type })
    input.addEventListener('change', () => this.#choose(type))
    return h('label', {}, input, h('span', {}, label))
  }

  #choose(type: ConversationType): void {
    this.#type = type
    this.#people.allow(type === 'direct' ? 1 : Number.POSITIVE_INFINITY)
    this.#nameField.hidden = type === 'direct'
    setText(this.#hint, kinds.find((kind) => kind.type === type)?.hint ?? '')
    setText(this.#problem, '')
  }

  async #submit(): Promise<void> {
    const wanted = this.#wanted()
    if (typeof wanted === 'string') return setText(this.#problem, wanted)
    this.#start.disabled = true
    try {
      const { id } = await this.#parley.conversations.create(wanted)
      this.#done(id)
    } catch (thrown) {
      setText(this.#problem, explain(thrown))
      this.#start.disabled = false
    }
  }

  /** What is asked for, or what is missing. */
  #wanted(): NewConversation | string {
    const people = this.#people.take()
    if (people === undefined) return this.#problem.textContent
    const members = people.filter((name) => name !== this.#parley.user)
    const name = cleaned(this.#name.value)
    if (this.#type === 'direct') {
      if (people.length === 0) return 'With whom? Please enter a name.'
      return members.length === 0 ? 'Choose at least one other person.' : { type: 'direct', members }
    }
    if (this.#type === 'group' && members.length === 0) return 'Please add at least one person.'
    if (this.#type === 'channel' && name === '') return 'Please give the channel a name.'
    return { type: this.#type, members, ...(name === '' ? {} : { name }) }
  }
}
