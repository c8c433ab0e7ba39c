import type { Conversation, Member, Parley } from '../../sdk/index.ts'
import { confirm, openDialog } from '../ui/dialog.ts'
import { arrange, h, setText } from '../ui/dom.ts'
import { names } from '../names.ts'
import { avatar } from '../ui/avatar.ts'
import { cleaned, counted, explain } from '../words.ts'
import { PeopleField } from './people-field.ts'

/** Shows who belongs to a conversation and who is here, and lets them add, name and leave. */
export function showDetails(parley: Parley, conversation: Conversation, known: readonly string[]): void {
  const details = new Details(parley, conversation, known)
  const dialog = openDialog('About this conversation', (close) => details.make(close))
  dialog.addEventListener('close', () => details.end())
}

class Details {
  readonly #parley: Parley
  readonly #conversation: Conversation
  readonly #known: readonly string[]
  readonly #count = h('h3')
  readonly #people = h('ul', { class: 'members' })
  readonly #problem = h('p', { class: 'problem', role: 'alert' })
  readonly #done = h('p', { class: 'hint', role: 'status' })
  readonly #stop: () => void

  constructor(parley: Parley, conversation: Conversation, known: readonly string[]) {
    this.#parley = parley
    this.#conversation = conversation
    this.#known = known
    this.#stop = conversation.changes.listen(() => this.#draw())
  }

  /** Stops following the conversation. */
  end(): void {
    this.#stop()
  }

  /** Makes what stands in the dialog. */
  make(close: () => void): HTMLElement {
    const { type, role } = this.#conversation.view.properties
    const manages = role === 'owner' || role === 'admin'
    this.#draw()
    return h(
      'div',
      { class: 'details' },
      this.#count,
      this.#people,
      type !== 'direct' && manages ? this.#addForm() : undefined,
      type !== 'direct' && manages ? this.#nameForm() : undefined,
      this.#problem,
      this.#done,
      h(
        'div',
        { class: 'choices' },
        type === 'channel' ? this.#linkButton() : undefined,
        type !== 'direct' && role !== null ? this.#leaveButton(close) : undefined,
      ),
    )
  }

  #draw(): void {
    const { members, here, hereKnown, properties } = this.#conversation.view
    setText(this.#count, counted(Math.max(properties.memberCount, members.length), 'member'))
    const present = new Set([...here, this.#parley.user])
    const absence = hereKnown ? 'away' : ''
    const sorted = [...members].sort((a, b) => Number(present.has(b.user)) - Number(present.has(a.user)))
    arrange(
      this.#people,
      sorted.map((member) => this.#person(member, present.has(member.user) ? 'here now' : absence)),
    )
  }

  #person({ user, role }: Member, presence: string): HTMLElement {
    return h(
      'li',
      {},
      avatar(user),
      h(
        'span',
        { class: 'name', dir: 'auto', title: user },
        user === this.#parley.user ? `${names.of(user)} (you)` : names.of(user),
      ),
      role === 'member' ? undefined : h('span', { class: 'role' }, role),
      h('span', { class: presence === 'here now' ? 'presence here' : 'presence' }, presence),
      this.#roleButton(user, role),
    )
  }

  /** An owner makes others admins, and takes that back. */
  #roleButton(user: string, role: string): HTMLElement | undefined {
    const { type, role: mine } = this.#conversation.view.properties
    if (type === 'direct' || mine !== 'owner' || user === this.#parley.user || role === 'owner') return undefined
    const [wanted, words] = role === 'admin' ? (['member', 'Not admin'] as const) : (['admin', 'Make admin'] as const)
    const give = () =>
      void this.#attempt('', () => this.#parley.conversations.setRole(this.#conversation.id, user, wanted))
    return h('button', { type: 'button', 'aria-label': `${words}: ${user}`, onclick: give }, words)
  }

  #addForm(): HTMLElement {
    const field = new PeopleField(this.#known, this.#problem, 'Add people')
    const form = h('form', { class: 'inline' }, field.element, h('button', { type: 'submit' }, 'Add'))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const people = field.take()
      if (people === undefined || people.length === 0) return field.focus()
      void this.#attempt('Added.', async () => {
        await this.#parley.conversations.add(this.#conversation.id, people)
        field.clear()
      })
    })
    return form
  }

  #nameForm(): HTMLElement {
    const name = h('input', { id: 'new-name', maxlength: 200, autocomplete: 'off', dir: 'auto' })
    name.value = this.#conversation.view.properties.name
    const field = h('div', { class: 'field' }, h('label', { for: 'new-name' }, 'Name'), name)
    const form = h('form', { class: 'inline' }, field, h('button', { type: 'submit' }, 'Rename'))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const wanted = cleaned(name.value)
      if (wanted === '') return name.focus()
      void this.#attempt('Renamed.', () => this.#parley.conversations.rename(this.#conversation.id, wanted))
    })
    return form
  }

  #linkButton(): HTMLElement {
    const link = `${location.origin}${location.pathname}#/c/${this.#conversation.id}`
    const copy = () =>
      void this.#attempt('Link copied: everyone who opens it can read along.', () =>
        navigator.clipboard.writeText(link),
      )
    return h('button', { type: 'button', class: 'plain', onclick: copy }, 'Copy link')
  }

  #leaveButton(close: () => void): HTMLElement {
    const leave = () =>
      void this.#attempt('', async () => {
        await this.#parley.conversations.remove(this.#conversation.id, this.#parley.user)
        close()
        location.hash = '#/'
      })
    const ask = () =>
      confirm('Leave', `You will not see what is said here any more.${this.#succession()}`, 'Leave', leave)
    return h('button', { type: 'button', class: 'danger', onclick: ask }, 'Leave')
  }

  /** What becomes of the conversation when its last owner leaves. */
  #succession(): string {
    const { members, properties } = this.#conversation.view
    const others = members.filter(({ user }) => user !== this.#parley.user)
    if (properties.role !== 'owner' || others.length === 0 || others.some(({ role }) => role === 'owner')) return ''
    const next = others.some(({ role }) => role === 'admin') ? 'admin' : 'member'
    return ` You are its last owner: the longest-standing ${next} becomes owner.`
  }

  async #attempt(done: string, act: () => Promise<void>): Promise<void> {
    setText(this.#problem, '')
    try {
      await act()
      setText(this.#done, done)
    } catch (thrown) {
      setText(this.#problem, explain(thrown))
    }
  }
}
