import type { z } from 'zod'
import type { Channel, DeliveryOutcome, Priority } from '../model.ts'
import type { RenderedContent } from '../templates/template.ts'

/** A message that is ready to leave. */
export interface Message {
  /** The id of the delivery; the idempotency key where a provider has one. */
  readonly id: string
  readonly content: RenderedContent
  /** An e-mail address, a phone number in E.164, or the address of a target in the form of its channel. */
  readonly to: unknown
  readonly from?: string | undefined
  readonly priority: Priority
  /** Further headers of an e-mail, e.g. `List-Unsubscribe`. */
  readonly headers: Readonly<Record<string, string>>
  /** What the message is about, for the provider's own statistics. */
  readonly workflow: string
}

/** One request to a provider. */
export interface HttpCall {
  readonly url: string
  readonly method: 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array<ArrayBuffer>
}

/** What a provider answered; `text` is the beginning of the body. */
export interface Answer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly text: string
}

/** What a provider needs of its surroundings. */
export interface Tools {
  readonly now: number
  /** The headers that sign a body as Standard Webhooks say. */
  readonly sign: (secret: string, id: string, body: string) => Promise<Record<string, string>>
  /** The token that `authorize` got. */
  readonly token?: string | undefined
}

/** A token that a provider wants before anything is sent. */
export interface Authorization {
  /** Names the token among all of the tenant's. */
  readonly key: string
  readonly call: HttpCall
  readonly read: (answer: Answer) => { readonly token: string; readonly seconds: number } | undefined
}

/** What all kinds of providers have. */
export interface ProviderKind {
  readonly channel: Channel
  /** The type of a target that the provider reaches; undefined for the addresses of the profile. */
  readonly target?: string
  /** Whether the provider recognizes a repeat by its key, so that repeating what is not known sends nothing twice. */
  readonly isIdempotent: boolean
  readonly credentials: z.ZodObject
  /** The host that is called, where the credentials say so: it is checked when the provider is registered. */
  readonly urlOf?: (credentials: unknown) => string | undefined
  /** The host that is called for all messages; undefined where the recipient's target names it. */
  readonly hostOf?: (credentials: unknown) => string
}

/** Reads and writes what one kind of provider that is called over HTTP understands. Knows neither the network nor a clock. */
export interface ProviderType extends ProviderKind {
  readonly authorize?: (credentials: unknown, tools: Tools) => Promise<Authorization>
  /** Throws Unsendable. */
  readonly prepare: (message: Message, credentials: unknown, tools: Tools) => HttpCall | Promise<HttpCall>
  /** Undefined for what any provider would mean by this answer. */
  readonly read: (answer: Answer, tools: Tools) => DeliveryOutcome | undefined
}

/** A message that this provider cannot be given. */
export class Unsendable extends Error {
  readonly kind: 'gone' | 'refused'

  constructor(reason: string, kind: 'gone' | 'refused' = 'refused') {
    super(reason)
    this.kind = kind
  }
}

interface Typed<S extends z.ZodObject> {
  readonly channel: Channel
  readonly target?: string
  readonly isIdempotent: boolean
  readonly credentials: S
  readonly urlOf?: (credentials: z.output<S>) => string | undefined
  readonly hostOf?: (credentials: z.output<S>) => string
  readonly authorize?: (credentials: z.output<S>, tools: Tools) => Promise<Authorization>
  readonly prepare: (message: Message, credentials: z.output<S>, tools: Tools) => HttpCall | Promise<HttpCall>
  readonly read: (answer: Answer, tools: Tools) => DeliveryOutcome | undefined
}

/** Makes a type whose functions read their credentials by its schema. */
export function providerType<S extends z.ZodObject>(typed: Typed<S>): ProviderType {
  const { credentials, urlOf, hostOf, authorize, prepare, ...rest } = typed
  return {
    ...rest,
    credentials,
    urlOf: (given) => urlOf?.(credentials.parse(given)),
    ...(hostOf === undefined ? {} : { hostOf: (given) => hostOf(credentials.parse(given)) }),
    ...(authorize === undefined
      ? {}
      : { authorize: async (given, tools) => await authorize(credentials.parse(given), tools) }),
    prepare: (message, given, tools) => prepare(message, credentials.parse(given), tools),
  }
}
