import { emoji, quick } from './emoji.ts'
import { h } from './dom.ts'
import { floating } from './menu.ts'

const columns = 8

/** Opens a choice of reactions beside `anchor`. Words find one; arrows move; Escape or a click elsewhere closes it. */
export function openPicker(anchor: HTMLElement, choose: (reaction: string) => void): void {
  const picker = h('div', { class: 'menu picker', role: 'dialog', 'aria-label': 'Choose a reaction', popover: 'auto' })
  const take = (reaction: string) => {
    picker.hidePopover()
    choose(reaction)
  }
  const button = (reaction: string, words: string) =>
    h('button', { type: 'button', 'aria-label': words, title: words, onclick: () => take(reaction) }, reaction)
  const wordsOf = (reaction: string) => emoji.find(([one]) => one === reaction)?.[1] ?? reaction
  const row = h('div', { class: 'quick' }, ...quick.map((reaction) => button(reaction, wordsOf(reaction))))
  const grid = h('div', { class: 'emoji' }, ...emoji.map(([reaction, words]) => button(reaction, words)))
  const none = h('p', { class: 'hint', role: 'status', hidden: true }, 'None by this word.')
  const search = h('input', {
    type: 'search',
    'aria-label': 'Find a reaction',
    placeholder: 'Find',
    autocomplete: 'off',
  })
  search.addEventListener('input', () => {
    const wanted = search.value.trim().toLowerCase()
    const all = [...grid.querySelectorAll('button')]
    for (const one of all) one.hidden = !(one.getAttribute('aria-label') ?? '').includes(wanted)
    row.hidden = wanted !== ''
    none.hidden = all.some((one) => !one.hidden)
  })
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return
    event.preventDefault()
    const found = [...grid.querySelectorAll('button')].find((one) => !one.hidden)
    if (search.value.trim() !== '') found?.click()
  })
  picker.addEventListener('keydown', (event) => walk(picker, event))
  picker.append(row, search, grid, none)
  floating(picker, anchor)
  row.querySelector('button')?.focus()
}

function walk(picker: HTMLElement, event: KeyboardEvent): void {
  const now = document.activeElement
  if (!(now instanceof HTMLButtonElement)) return
  const isInGrid = now.closest('.emoji') !== null
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: isInGrid ? columns : 6, ArrowUp: isInGrid ? -columns : -6 }[
    event.key
  ]
  if (step === undefined) return
  event.preventDefault()
  const buttons = [...picker.querySelectorAll('button')].filter((one) => one.checkVisibility())
  buttons[Math.min(buttons.length - 1, Math.max(0, buttons.indexOf(now) + step))]?.focus()
}
