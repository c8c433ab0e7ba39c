import type { Http } from './http.ts'
import { Listeners } from './listeners.ts'
import { fields, items, text } from './parse.ts'

/** Why something is reported. */
export type ReportReason = 'spam' | 'harassment' | 'hate' | 'sexual' | 'violence' | 'self-harm' | 'illegal' | 'other'

/** The answer to a report; `duplicate` when the user had reported the same before. */
export interface Reported {
  readonly review: string
  readonly duplicate: boolean
}

/**
 * Users that this one blocks, and reports. In groups messages of blocked users arrive like all others: hide lines whose author `hides`.
 * Every method throws ParleyError.
 */
export class Moderation {
  /** The list has changed, here or on another device. */
  readonly changes = new Listeners<ReadonlySet<string>>()
  readonly #http: Http
  readonly #path: string
  #blocked: ReadonlySet<string> = new Set()
  #isLoaded = false
  /** Grows with each change made here, so that a list that was read before it is not taken over. */
  #version = 0

  constructor(http: Http, user: string) {
    this.#http = http
    this.#path = `/v1/users/${encodeURIComponent(user)}/blocks`
  }

  /** The blocked users, as they were read or changed last; empty before `load`. */
  get blocked(): ReadonlySet<string> {
    return this.#blocked
  }

  /** Whether messages of this author are to be hidden. */
  hides(author: string): boolean {
    return this.#blocked.has(author)
  }

  /** Reads the list; it follows changes on other devices from then on. */
  async load(): Promise<void> {
    const version = this.#version
    const { blocks } = fields(await this.#http.request('GET', this.#path))
    this.#isLoaded = true
    if (version === this.#version) this.#set(new Set(items(blocks).map((block) => text(fields(block)['user']))))
    else await this.load()
  }

  /** Blocks a user. */
  async block(user: string): Promise<void> {
    await this.#http.request('PUT', `${this.#path}/${encodeURIComponent(user)}`)
    this.#version++
    this.#set(new Set([...this.#blocked, user]))
  }

  /** Ends a block. */
  async unblock(user: string): Promise<void> {
    await this.#http.request('DELETE', `${this.#path}/${encodeURIComponent(user)}`)
    this.#version++
    this.#set(new Set([...this.#blocked].filter((other) => other !== user)))
  }

  /** Reports a message. */
  async reportMessage(conversation: string, seq: number, reason: ReportReason, more?: string): Promise<Reported> {
    return await this.#report({ conversation, seq, reason, ...(more === undefined ? {} : { text: more }) })
  }

  /** Reports a user. */
  async reportUser(user: string, reason: ReportReason, more?: string): Promise<Reported> {
    return await this.#report({ user, reason, ...(more === undefined ? {} : { text: more }) })
  }

  /** Takes an event of the user's own stream. */
  hear(data: unknown): void {
    if (fields(data)['type'] === 'blocks') this.lost()
  }

  /** Events may have been missed. A list that cannot be read now is read with the next event. */
  lost(): void {
    if (this.#isLoaded) this.load().catch(() => undefined)
  }

  async #report(report: object): Promise<Reported> {
    const { review, duplicate } = fields(await this.#http.request('POST', '/v1/reports', report))
    return { review: text(review), duplicate: duplicate === true }
  }

  #set(blocked: ReadonlySet<string>): void {
    const isSame = blocked.size === this.#blocked.size && [...blocked].every((user) => this.#blocked.has(user))
    if (isSame) return
    this.#blocked = blocked
    this.changes.tell(blocked)
  }
}
