import { encodeWith } from '../kernel/json.ts'
import { textAt } from '../protocol/protobuf/json-text.ts'
import type { ConversationState } from './state.ts'

/** A message with its newest text, as JSON text; undefined where only Postgres has its content. */
export function contentOf({ log, amendments, messages }: ConversationState, seq: number): string | undefined {
  const data = messages.kept.of(seq)?.data ?? log.range(seq - 1, seq, 1)[0]?.data
  const text = amendments.target(seq)?.text
  if (data === undefined || text === undefined) return data
  const { data: _, ...fields }: Record<string, unknown> = JSON.parse(data)
  if (fields['text'] === text) return data
  const [edit] = messages.edits(seq, 1)
  return encodeWith({ ...fields, text, editedAt: edit?.at ?? fields['at'] }, { data: textAt(data, ['data']) })
}

/** The text of a message. */
export function textOf(content: string): string {
  const { text = '' }: { readonly text?: string } = JSON.parse(content)
  return text
}
