import { BoundedMap } from '../kernel/bounded-map.ts'
import { hash32 } from '../kernel/id.ts'

/** Users of a tenant whose texts are remembered, and texts of each. */
const maxUsers = 5000
const maxTexts = 20

interface Sent {
  readonly id: string
  readonly text: number
  readonly at: number
}

interface RepeatRule {
  readonly count: number
  readonly seconds: number
}

/** What users wrote lately, as digests. */
export class RepeatedTexts {
  readonly #sent = new BoundedMap<string, readonly Sent[]>(maxUsers)

  /** Notes a text; returns how long its user has to wait before it may be sent once more, 0 where it may be sent now. */
  waitMs(
    user: string,
    { text, id }: { readonly text: string; readonly id: string },
    rule: RepeatRule,
    now: number,
  ): number {
    const { count, seconds } = rule
    const digest = hash32(text.trim().toLowerCase())
    const recent = (this.#sent.get(user) ?? []).filter(({ at }) => at <= now && at > now - seconds * 1000)
    // The same message that is sent again is none of its own.
    if (id !== '' && recent.some((sent) => sent.id === id)) return 0
    const same = recent.filter(({ text: other }) => other === digest)
    const oldest = same.at(-(count - 1))
    if (oldest !== undefined) return oldest.at + seconds * 1000 - now
    this.#sent.set(user, [...recent, { id, text: digest, at: now }].slice(-maxTexts))
    return 0
  }
}
