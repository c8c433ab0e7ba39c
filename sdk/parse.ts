/** Reading what a server said: types vanish on the wire, so every field is looked at before it is believed. */

/** A JSON object whose fields are not known yet. */
export type Fields = Readonly<Record<string, unknown>>

/** True for a JSON object. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The fields of an object; none when it is something else. */
export const fields = (value: unknown): Fields => (isFields(value) ? value : {})

/** The text, or `fallback` when it is none. */
export const text = (value: unknown, fallback = ''): string => (typeof value === 'string' ? value : fallback)

/** The number, or `fallback` when it is none. */
export const count = (value: unknown, fallback = 0): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : fallback

/** The items of an array; none when it is something else. */
export const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** The texts of an array. */
export const texts = (value: unknown): readonly string[] =>
  items(value).filter((item): item is string => typeof item === 'string')
