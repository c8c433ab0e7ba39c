import { h } from './dom.ts'
import { icon } from './icons.ts'

let made = 0

/** Shows `content` in a modal dialog, a sheet on phones. It is gone for good when it closes. */
export function openDialog(title: string, content: (close: () => void) => Node): HTMLDialogElement {
  const id = `dialog-${++made}`
  const dialog = h('dialog', { 'aria-labelledby': id })
  const close = () => dialog.close()
  const heading = h('h2', { id }, title)
  const head = h('header', {}, heading, iconButton('close', 'Close', close))
  dialog.append(h('div', { class: 'sheet' }, head, content(close)))
  dialog.addEventListener('close', () => dialog.remove())
  dialog.addEventListener('click', (event) => event.target === dialog && close())
  document.body.append(dialog)
  dialog.showModal()
  return dialog
}

/** Closes what was asked on a screen that is left. */
export function closeDialogs(): void {
  document.querySelectorAll('dialog').forEach((dialog) => dialog.close())
}

/** Asks before doing what cannot be undone. */
export function confirm(title: string, question: string, yes: string, act: () => void): void {
  openDialog(title, (close) => {
    const agree = () => {
      close()
      act()
    }
    return h(
      'div',
      { class: 'ask' },
      h('p', {}, question),
      h(
        'div',
        { class: 'choices' },
        h('button', { type: 'button', class: 'plain', onclick: close }, 'Cancel'),
        h('button', { type: 'button', class: 'danger', onclick: agree }, yes),
      ),
    )
  })
}

/** A button that shows only an icon and says its words to those who cannot see it. */
export const iconButton = (name: Parameters<typeof icon>[0], label: string, act: () => void): HTMLButtonElement =>
  h('button', { type: 'button', class: 'icon-button', 'aria-label': label, title: label, onclick: act }, icon(name))
