import { refuse, type Refusal } from '../protocol/errors.ts'
import type { ContentRules, RuleAction } from '../protocol/content-rules-api.ts'
import { hostsIn, isAmong, type LinkedHost } from './links.ts'
import { RepeatedTexts } from './repeated-texts.ts'
import { WordAutomaton } from './word-automaton.ts'

/** What is checked of a message or an edit. */
export interface CheckedContent {
  readonly text: string
  readonly mentions?: { readonly users?: readonly string[] | undefined } | undefined
  /** An uploaded file has no address. */
  readonly attachments?: readonly ({ readonly url: string } | { readonly upload: string })[] | undefined
}

/** What a check found. `flags` are the rules that open a review once the message is sent. */
export type Checked = { readonly kind: 'passed'; readonly text: string; readonly flags: readonly string[] } | Refusal

/** The rules of one version of a tenant, ready to be applied. */
export class ContentFilter {
  readonly rules: ContentRules
  readonly #words: WordAutomaton | undefined
  readonly #allow: ReadonlySet<string> | undefined
  readonly #deny: ReadonlySet<string>
  readonly #repeats: RepeatedTexts | undefined

  /** `before` is the filter of the version before, whose memory of repeated texts goes on. */
  constructor(rules: ContentRules, before?: ContentFilter) {
    const { words, links, repeats } = rules
    this.rules = rules
    this.#words = words.length === 0 ? undefined : new WordAutomaton(words.map(({ list }) => list))
    this.#allow = links?.allow === undefined ? undefined : new Set(links.allow)
    this.#deny = new Set(links?.deny)
    this.#repeats =
      repeats === undefined ? undefined : ((before === undefined ? undefined : before.#repeats) ?? new RepeatedTexts())
  }

  /** Checks what a user sends; `id` is that of the message for its sender, so that a repeat is known. The first rule that refuses decides; the text may come out masked. */
  check(user: string, { text, mentions, attachments }: CheckedContent, now: number, id = ''): Checked {
    const { links, repeats, mentions: atMost } = this.rules
    const flags: string[] = []
    /** Notes a match; returns whether it refuses. */
    const refuses = (action: RuleAction, rule: string): boolean => {
      if (action === 'flag' && !flags.includes(rule)) flags.push(rule)
      return action === 'refuse'
    }
    if (atMost !== undefined && (mentions?.users?.length ?? 0) > atMost.max && refuses(atMost.action, 'mentions'))
      return refuse('contentRefused', `mentions: at most ${atMost.max} users in a message`)
    if (links !== undefined) {
      const host = this.#linked(text, attachments)
      if (host !== undefined && refuses(links.action, `link to ${host}`))
        return refuse('contentRefused', `text: links to ${host} are not allowed; leave the link out`)
    }
    const masked = this.#masked(text, refuses)
    if (typeof masked !== 'string') return masked
    if (repeats !== undefined) {
      const waitMs = this.#repeats?.waitMs(user, { text, id }, repeats, now) ?? 0
      if (waitMs > 0 && refuses(repeats.action, 'repeated text'))
        return refuse('flood', `text: the same ${repeats.count} times; send another, or wait ${waitMs} ms`, waitMs)
    }
    return { kind: 'passed', text: masked, flags }
  }

  #linked(text: string, attachments: CheckedContent['attachments'] = []): string | undefined {
    const isRefused = ({ host, hasScheme }: LinkedHost) =>
      isAmong(host, this.#deny) || (hasScheme && this.#allow !== undefined && !isAmong(host, this.#allow))
    return [text, ...attachments.map((one) => ('url' in one ? one.url : ''))].flatMap(hostsIn).find(isRefused)?.host
  }

  #masked(text: string, refuses: (action: RuleAction, rule: string) => boolean): string | Refusal {
    const matches = this.#words?.matches(text) ?? []
    let masked = text
    for (const { list, from, to } of matches) {
      const { action = 'flag' } = this.rules.words[list] ?? {}
      if (refuses(action, `words ${list + 1}`))
        return refuse('contentRefused', 'text: has words that are not allowed here; write it without them')
      if (action === 'mask') masked = masked.slice(0, from) + '*'.repeat(to - from) + masked.slice(to)
    }
    return masked
  }
}
