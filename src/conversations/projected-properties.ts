import { encodeWith } from '../kernel/json.ts'
import type { Conversation } from './types.ts'
import { shownOf } from './subscribe.ts'

/** What Postgres has of a conversation beside its columns, as JSON text; null where there is nothing. */
export function projectedProperties(conversation: Conversation): string | null {
  const { bans = {}, properties } = conversation
  const shown = { ...shownOf(conversation), ...(Object.keys(bans).length === 0 ? {} : { bans }) }
  const text = encodeWith(shown, { properties })
  return text === '{}' ? null : text
}
