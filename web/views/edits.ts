import type { Conversation, Parley } from '../../sdk/index.ts'
import { openDialog } from '../ui/dialog.ts'
import { h, setText } from '../ui/dom.ts'
import { prose } from '../ui/prose.ts'
import { momentOf } from '../ui/times.ts'
import { explain } from '../words.ts'

/** Shows all texts of a message, the newest first. */
export function showEdits(parley: Parley, conversation: Conversation, seq: number): void {
  const list = h('ol', { class: 'edits' })
  const problem = h('p', { class: 'problem', role: 'alert' })
  openDialog('Earlier texts', () => h('div', { class: 'details' }, list, problem))
  void draw()

  async function draw(): Promise<void> {
    try {
      const edits = await parley.conversations.edits(conversation.id, seq)
      const shown = edits
        .toReversed()
        .map(({ text, at }) =>
          h('li', {}, h('time', { datetime: new Date(at).toISOString() }, momentOf(at)), ...prose(text)),
        )
      list.replaceChildren(...shown)
    } catch (thrown) {
      setText(problem, explain(thrown))
    }
  }
}
