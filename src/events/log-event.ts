/** An event as its publisher gives it, checked. With `source` and `id` it is the same event however often it is given. */
export interface NewEvent {
  readonly source: string
  readonly id: string
  readonly type: string
  /** Events of one key keep their order; null for an event without a key. */
  readonly key: string | null
  /** The version of its type. */
  readonly version: number
  /** JSON text; base64 text where `attributes.base64` is set; null for an event without data. */
  readonly data: string | null
  readonly attributes: EventAttributes
}

/** What an event carries beside its fixed members, as it was given. */
export interface EventAttributes {
  /** The publisher's time (RFC 3339). */
  readonly time?: string
  readonly subject?: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  /** The data is not JSON: its bytes are kept as base64. */
  readonly base64?: true
  /** CloudEvents extension attributes by name. */
  readonly extensions?: Readonly<Record<string, string | number | boolean>>
}

/** An event in its log. */
export interface LogEvent extends NewEvent {
  readonly offset: number
  /** When it was appended, in milliseconds since the epoch; never less than that of the event before. */
  readonly at: number
}

/** An event as its publisher named it. */
export type EventName = Pick<NewEvent, 'source' | 'id'>

/**
 * Appends own events to the topic of a tenant, and empties those of `emptied`, whose messages were deleted. Throws when the topic does not
 * take them now.
 */
export type AppendEvents = (
  tenant: string,
  events: readonly NewEvent[],
  emptied?: readonly EventName[],
) => Promise<void>

/** Where an event is, and whether it was there already. */
export interface AppendedEvent {
  readonly offset: number
  readonly duplicate: boolean
}

/** An event without its data: where it is, and when it was appended there, in milliseconds since the epoch. */
export interface SeenEvent {
  readonly topic: string
  readonly offset: number
  readonly at: number
  readonly type: string
  readonly source: string
  readonly id: string
  readonly key: string | null
  readonly version: number
}

/** An actor that waits for an event of a topic. */
export interface EventWait {
  /** Chosen by the caller; the same again is the same wait. */
  readonly id: string
  /** The actor that is notified: its class and its whole name. */
  readonly waiter: { readonly kind: 'saga'; readonly name: string }
  readonly type: string
  /** Compared with the event's `correlationid` attribute, or its key where it has none. */
  readonly correlation: string
  /** Events after this offset count. */
  readonly after: number
  /** When the log drops the wait, in milliseconds since the epoch. */
  readonly until: number
}

/** By what a wait finds an event. */
export const correlationOf = ({ key, attributes }: Pick<NewEvent, 'key' | 'attributes'>): string | undefined => {
  const given = attributes.extensions?.['correlationid']
  return given === undefined ? (key ?? undefined) : String(given)
}
