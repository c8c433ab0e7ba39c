/** The author, the conversation and the clientId: the same key is the same message, however often it is sent. */
export interface MessageKey {
  readonly tenant: string
  readonly conversation: string
  readonly user: string
  readonly clientId: string
}

/** One attempt to send. `unknown` is an attempt whose answer never came: it may have taken effect or not. */
export interface Attempt extends MessageKey {
  readonly session: string
  readonly body: string
  readonly invokedAt: number
  endedAt: number
  outcome: 'ok' | 'fail' | 'unknown'
  seq: number
}

/** An entry at its seq, as a client saw it; `clientId` is null for what is no message. */
export interface Entry {
  readonly tenant: string
  readonly conversation: string
  readonly seq: number
  readonly user: string
  readonly clientId: string | null
  readonly body: string
}

/** What reached a listener: its place after (re)joining, or an entry. */
export type Heard =
  | {
      readonly kind: 'joined'
      readonly listener: string
      readonly tenant: string
      readonly conversation: string
      readonly after: number
    }
  | { readonly kind: 'entry'; readonly listener: string; readonly entry: Entry }

/** A page that a client read: the top of the log it named, and entries. */
export interface Read {
  readonly session: string
  readonly tenant: string
  readonly conversation: string
  readonly invokedAt: number
  readonly endedAt: number
  readonly top: number
  readonly entries: readonly Entry[]
}

/** What an inbox says of a conversation. */
export interface Count {
  readonly tenant: string
  readonly user: string
  readonly conversation: string
  readonly last: number
  readonly read: number
  readonly unread: number
}

/** Everything that was seen from outside during a run. Times are of one monotonic clock. */
export interface Observed {
  readonly attempts: readonly Attempt[]
  readonly heard: readonly Heard[]
  readonly reads: readonly Read[]
  readonly counts: readonly Count[]
  /** Listeners that went away before the end and need not have heard everything. */
  readonly left: ReadonlySet<string>
}

/** The sender notes here how a send ended, once. */
export interface Pending {
  ok(seq: number): void
  fail(): void
  unknown(): void
}

/** Records what clients do and see. The clock is given, so that a simulator may use it too. */
export class History implements Observed {
  readonly attempts: Attempt[] = []
  readonly heard: Heard[] = []
  readonly reads: Read[] = []
  readonly counts: Count[] = []
  readonly left = new Set<string>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  now(): number {
    return this.#now()
  }

  /** A send begins; until it says otherwise its outcome is unknown. */
  invoke(session: string, key: MessageKey, body: string): Pending {
    const attempt: Attempt = {
      ...key,
      session,
      body,
      invokedAt: this.#now(),
      endedAt: Infinity,
      outcome: 'unknown',
      seq: 0,
    }
    this.attempts.push(attempt)
    const end = (outcome: Attempt['outcome'], seq: number) =>
      void Object.assign(attempt, { outcome, seq, endedAt: this.#now() })
    return { ok: (seq) => end('ok', seq), fail: () => end('fail', 0), unknown: () => end('unknown', 0) }
  }

  /** A listener stands at `after` and must hear what follows. */
  joined(listener: string, tenant: string, conversation: string, after: number): void {
    this.heard.push({ kind: 'joined', listener, tenant, conversation, after })
  }

  hear(listener: string, entry: Entry): void {
    this.heard.push({ kind: 'entry', listener, entry })
  }

  read(read: Read): void {
    this.reads.push(read)
  }

  count(count: Count): void {
    this.counts.push(count)
  }

  leave(listener: string): void {
    this.left.add(listener)
  }
}
