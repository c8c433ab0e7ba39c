import { answerChars, charsOf } from './answer-size.ts'
import { refuse, type Refusal } from './errors.ts'
import { sizes } from './limits.ts'
import type { Publication } from './replies.ts'
import type { StreamPosition } from './stream.ts'

/** The result of a recovery: everything after the position, or that this is not possible. */
export type Recovery =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'recovered'; readonly after: number }
  | { readonly kind: 'lost' }

/**
 * Decides a recovery (Centrifuge protocol, "recover"): possible when the epoch is the stream's own or not named,
 * the position is not ahead of the stream, everything after it is still held (`floor`) and is at most `cap` entries.
 */
export function decideRecovery(since: StreamPosition | undefined, stream: RecoverableLog, cap: number): Recovery {
  if (since === undefined) return { kind: 'fresh' }
  const sameEpoch = since.epoch === '' || since.epoch === stream.epoch
  const known = since.offset <= stream.top
  const held = since.offset + 1 >= stream.floor
  const fits = stream.top - since.offset <= cap
  return sameEpoch && known && held && fits ? { kind: 'recovered', after: since.offset } : { kind: 'lost' }
}

/** The state of an answer being built: how many characters of recovered entries it holds, and those by their position. */
export interface Recovering {
  recoveredChars?: number
  recoveredAfter?: Map<number, { readonly top: number; readonly publications: readonly Publication[] }>
}

/** A log that a subscriber continues: its incarnation, its last entry and the first it still holds. */
export interface RecoverableLog {
  readonly epoch: string
  readonly top: number
  readonly floor: number
}

/** What the answer to a subscribe says of the log: the position to continue at, and what the subscriber missed. */
export interface Continued extends Pick<RecoverableLog, 'epoch' | 'top'> {
  readonly kind: 'subscribed'
  readonly offset: number
  readonly wasRecovering: boolean
  readonly recovered: boolean
  readonly publications: readonly Publication[]
}

/**
 * Recovers a subscriber with the entries that `read` returns after its position. What no answer has room for cannot be
 * recovered; what this one has no room for, because many subscribers return at once, can be in the next.
 */
export function recover(
  since: StreamPosition | undefined,
  log: RecoverableLog,
  read: (after: number) => readonly Publication[],
  answer: Recovering,
): Continued | Refusal {
  const { epoch, top } = log
  const wasRecovering = since !== undefined
  const lost: Continued = {
    kind: 'subscribed',
    epoch,
    offset: top,
    top,
    wasRecovering,
    recovered: false,
    publications: [],
  }
  const recovery = decideRecovery(since, log, sizes.recovered)
  if (recovery.kind !== 'recovered') return lost
  // Many subscribers that return at once missed the same: one list, which is sent and encoded once.
  const shared = answer.recoveredAfter?.get(recovery.after)
  if (shared?.top === top)
    return { ...lost, offset: recovery.after, recovered: true, publications: shared.publications }
  const publications = read(recovery.after)
  const chars = charsOf(publications)
  if (chars > answerChars) return lost
  const all = (answer.recoveredChars ?? 0) + chars
  if (all > answerChars) return refuse('tooManyRequests', 'many come back at once: try again', 1000)
  answer.recoveredChars = all
  answer.recoveredAfter ??= new Map()
  answer.recoveredAfter.set(recovery.after, { top, publications })
  return { ...lost, offset: recovery.after, recovered: true, publications }
}

/**
 * What a gateway has missed: the entries, or that there are more than an answer carries, so that it has to ask again.
 */
export interface Missed {
  readonly behind: boolean
  readonly entries: readonly Publication[]
}

/** The entries after `after` and up to `before`, of a log that begins at `floor`. */
export function missedBetween(
  { after, before, floor }: { readonly after: number; readonly before: number; readonly floor: number },
  read: () => readonly Publication[],
): Missed {
  if (after >= before) return { behind: false, entries: [] }
  if (before - after > sizes.recovered || after + 1 < floor) return { behind: true, entries: [] }
  const entries = read()
  return charsOf(entries) > answerChars ? { behind: true, entries: [] } : { behind: false, entries }
}
