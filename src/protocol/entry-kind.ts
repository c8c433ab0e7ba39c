import { z } from 'zod'

const common = {
  user: z.string().describe('The author; empty for your server'),
  at: z.int().describe('Milliseconds since the epoch'),
}

/** What every entry of a conversation's log has, and with it every publication of its stream. */
export interface Entry {
  readonly type: string
  /** The author: a user id, or "" for the tenant's own server. */
  readonly user: string
  /** When, in milliseconds since the epoch, by the conversation's clock. */
  readonly at: number
}

/** A kind of entry: the schema of what is stored and published, with the type as a literal. */
export type EntryKind = z.ZodObject<{ type: z.ZodLiteral<string> } & typeof common>

/** Defines a kind of entry by its type and the fields it has beside author and time. The commands that write it list it as `entries`. */
export const defineEntry = <T extends string, S extends z.ZodRawShape>(type: T, fields: S) =>
  z.object({ type: z.literal(type), ...common, ...fields })

/** An entry of a kind. */
export type EntryOf<K extends z.ZodType> = DeepReadonly<z.output<K>>

type DeepReadonly<T> = T extends readonly (infer I)[]
  ? readonly DeepReadonly<I>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T

/** The field `ref` of entries that concern a message. */
export const messageRef = z.int().describe('Seq of the message')
