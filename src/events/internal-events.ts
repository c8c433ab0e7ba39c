/** What makes one version of an event from the version before. */
type Upcaster = (before: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>

/** A kind of events that one context writes and others read. */
export interface InternalEvent {
  /** The version that is written. */
  readonly version: number
  readonly holds: string
  /** Makes version n from version n - 1, by n: one for each version above 1. */
  readonly upcasters?: Readonly<Record<number, Upcaster>>
}

/** How the texts of one kind are stored and read. */
export interface EventTexts {
  readonly read: (text: string) => string
  readonly write: (text: string) => string
}

/** The mark of a version above 1: it comes first, so that a text is told apart without being parsed. */
const mark = /^\{"v":(\d+),/

/**
 * Events between contexts by their kinds, each with its version. An event carries its version in `v`; one without it is of version 1,
 * as all were that were stored before there were versions. What is older is made into the version that is written when it is read; what
 * is newer is taken as it is.
 */
export class InternalEvents<K extends string> {
  readonly kinds: Readonly<Record<K, InternalEvent>>

  /** Throws when an upcaster is missing or left over. */
  constructor(kinds: Readonly<Record<K, InternalEvent>>) {
    this.kinds = kinds
    for (const [kind, { version, upcasters = {} }] of Object.entries<InternalEvent>(kinds)) {
      const wanted = Array.from({ length: version - 1 }, (_, n) => String(n + 2))
      if (Object.keys(upcasters).join(' ') !== wanted.join(' '))
        throw new Error(`${kind}: version ${version} needs upcasters to ${wanted.join(', ') || 'none'}`)
    }
  }

  /** A value that was received or parsed, in the version that is written. */
  read<T extends object>(kind: K, value: T & { readonly v?: number }): T {
    const { version, upcasters = {} } = this.kinds[kind]
    const from = value.v ?? 1
    if (from >= version) return value
    let event: Readonly<Record<string, unknown>> = { ...value }
    for (let next = from + 1; next <= version; next++) event = upcasters[next]?.(event) ?? event
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the upcasters of the kind make its newest version
    return { ...event, v: version } as unknown as T
  }

  /** A JSON text that was stored, in the version that is written and without its mark. A text of that version is not parsed. */
  readText(kind: K, text: string): string {
    const marked = mark.exec(text)
    const { version } = this.kinds[kind]
    const from = marked === null ? 1 : Number(marked[1])
    const bare = marked === null ? text : `{${text.slice(marked[0].length)}`
    if (from >= version) return bare
    const { v: _, ...event }: { v?: number } = this.read(kind, { ...JSON.parse(bare), v: from })
    return JSON.stringify(event)
  }

  /** How texts of a kind are stored and read; undefined where version 1 is written, which is stored as it is. */
  texts(kind: K): EventTexts | undefined {
    if (this.kinds[kind].version === 1) return undefined
    return { read: (text) => this.readText(kind, text), write: (text) => this.writeText(kind, text) }
  }

  /** A JSON text as it is stored: marked with its version above 1. */
  writeText(kind: K, text: string): string {
    const { version } = this.kinds[kind]
    return version === 1 || mark.test(text) ? text : `{"v":${version},${text.slice(1)}`
  }
}

/**
 * All of them. To change one: raise its version, add the upcaster and a test with a stored event of the version before. Two versions of
 * the code run side by side for up to an hour, so release the reader of a version before its writer, or only add members.
 */
export const internalEvents = new InternalEvents({
  'conversation.entry': {
    version: 1,
    holds: 'an entry of the log of a conversation, in its actor, Postgres and the archive',
  },
  'conversation.activity': {
    version: 1,
    holds: 'where a conversation stands, for Activity actors, gateways and inboxes',
  },
  'conversation.projection': { version: 1, holds: 'what a conversation has written to Postgres' },
  'topic.event': { version: 1, holds: 'an event of a topic that a consumer or a process keeps' },
})

/** The texts of entries of conversations. */
export const entryTexts = internalEvents.texts('conversation.entry')
