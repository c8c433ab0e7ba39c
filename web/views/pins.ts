import type { Conversation, Parley } from '../../sdk/index.ts'
import { names } from '../names.ts'
import { iconButton, openDialog } from '../ui/dialog.ts'
import { h, setText } from '../ui/dom.ts'
import { briefly } from '../ui/times.ts'
import { explain } from '../words.ts'

/** What is done with a pinned message. */
interface PinActions {
  /** Scrolls to the message, which may lie before those that are loaded. */
  readonly reveal: (seq: number) => void
}

/** Lists the pinned messages of a conversation, the newest first. */
export function showPins(parley: Parley, conversation: Conversation, { reveal }: PinActions): void {
  const list = h('ul', { class: 'pins' })
  const hint = h('p', { class: 'hint', role: 'status' }, 'Loading…')
  const problem = h('p', { class: 'problem', role: 'alert' })
  openDialog('Pinned messages', (close) => {
    void draw(close)
    return h('div', { class: 'details' }, list, hint, problem)
  })

  async function draw(close: () => void): Promise<void> {
    try {
      const pins = await parley.conversations.pins(conversation.id)
      setText(hint, pins.length === 0 ? 'Nothing is pinned. Pin a message by its options.' : '')
      list.replaceChildren(
        ...pins.map(({ ref, user, at }) => {
          const line = conversation.view.lines.find((one) => one.kind === 'message' && one.seq === ref)
          const words = line?.kind === 'message' ? line.text : 'An earlier message'
          const author = line?.kind === 'message' ? `${names.of(line.user)}: ` : ''
          const show = () => {
            close()
            reveal(ref)
          }
          const unpin = () => void conversation.unpin(ref).then(() => draw(close), failed)
          return h(
            'li',
            {},
            h(
              'button',
              { type: 'button', class: 'pinned', onclick: show },
              h('strong', { dir: 'auto' }, `${author}${words}`),
              h('span', { class: 'hint' }, `pinned by ${names.of(user)}, ${briefly(at, Date.now())}`),
            ),
            iconButton('close', 'Unpin', unpin),
          )
        }),
      )
    } catch (thrown) {
      failed(thrown)
    }
  }

  function failed(thrown: unknown): void {
    setText(hint, '')
    setText(problem, explain(thrown))
  }
}
