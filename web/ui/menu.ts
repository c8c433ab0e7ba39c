import { h } from './dom.ts'

/** One thing a menu offers. */
export interface Choice {
  readonly label: string
  readonly danger?: boolean
  readonly act: () => void
}

/** Opens a small menu beside `anchor`; Escape or a click elsewhere closes it, arrows move in it. */
export function openMenu(anchor: HTMLElement, choices: readonly Choice[]): void {
  const menu = h('div', { class: 'menu', role: 'menu', popover: 'auto' })
  menu.append(...choices.map((choice) => item(menu, choice)))
  menu.addEventListener('keydown', (event) => walk(menu, event))
  floating(menu, anchor)
  menu.querySelector('button')?.focus()
}

/** Shows a popover beside `anchor`; it is gone for good when it closes, and the anchor has the focus again. */
export function floating(popover: HTMLElement, anchor: HTMLElement): void {
  popover.addEventListener('toggle', () => {
    if (popover.matches(':popover-open')) return
    popover.remove()
    if (document.activeElement === document.body) anchor.focus()
  })
  document.body.append(popover)
  popover.showPopover()
  beside(popover, anchor)
}

function item(menu: HTMLElement, { label, danger, act }: Choice): HTMLButtonElement {
  const choose = () => {
    menu.hidePopover()
    act()
  }
  const look = danger === true ? 'danger' : undefined
  return h('button', { type: 'button', role: 'menuitem', class: look, onclick: choose }, label)
}

function walk(menu: HTMLElement, event: KeyboardEvent): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (step === undefined) return
  event.preventDefault()
  const buttons = [...menu.querySelectorAll('button')]
  const now = buttons.findIndex((button) => button === document.activeElement)
  buttons.at((now + step) % buttons.length)?.focus()
}

/** Below the anchor where there is room, else above, and always inside the window. */
function beside(menu: HTMLElement, anchor: HTMLElement): void {
  const at = anchor.getBoundingClientRect()
  const { width, height } = menu.getBoundingClientRect()
  const left = Math.min(Math.max(8, at.right - width), innerWidth - width - 8)
  const below = at.bottom + 4
  const top = below + height > innerHeight - 8 ? at.top - height - 4 : below
  menu.style.setProperty('left', `${left}px`)
  menu.style.setProperty('top', `${Math.max(8, top)}px`)
}
