import { h, setText } from '../ui/dom.ts'
import { hoist } from '../ui/flags.ts'
import { asUserId, idProblem } from '../words.ts'

/** Asks who this tab is to be. */
export function signIn(choose: (name: string) => void): HTMLElement {
  const name = h('input', {
    id: 'name',
    name: 'name',
    autocomplete: 'username',
    autocapitalize: 'none',
    spellcheck: 'false',
    maxlength: 128,
    placeholder: 'alice',
    'aria-describedby': 'name-problem name-hint',
    dir: 'auto',
  })
  const problem = h('p', { id: 'name-problem', class: 'problem', role: 'alert' })
  const form = h(
    'form',
    { class: 'sign-in', novalidate: true },
    h('div', { class: 'hoist' }, ...hoist()),
    h('h1', {}, 'Parley'),
    h('p', { class: 'lead' }, 'Choose a name and start talking.'),
    h('label', { for: 'name' }, 'Your name'),
    name,
    problem,
    h('button', { type: 'submit', class: 'primary' }, 'Start talking'),
    h('p', { id: 'name-hint', class: 'hint' }, 'Open another tab and sign in as a second user to chat with yourself.'),
  )
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const id = asUserId(name.value)
    const wrong = idProblem(id)
    setText(problem, wrong ?? '')
    if (wrong === undefined) choose(id)
    else name.focus()
  })
  name.addEventListener('input', () => setText(problem, ''))
  queueMicrotask(() => name.focus())
  return h('main', { class: 'welcome' }, form)
}
