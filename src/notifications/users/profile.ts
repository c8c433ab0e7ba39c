import { encodeWith } from '../../kernel/json.ts'
import type { Profile, Target } from '../model.ts'
import { memberTexts } from '../../protocol/protobuf/json-text.ts'

/** The fields of a profile that are texts. */
export const profileFields = ['name', 'avatar', 'email', 'phone', 'locale', 'zone'] as const
type Field = (typeof profileFields)[number]

/** A profile as a request gives it; `properties` is JSON text of an object, or "null". */
export type ProfileInput = Partial<Readonly<Record<Field | 'properties', string | null | undefined>>>

/** What is stored of a user; `properties` is JSON text, so that it comes out as it was put in. */
export interface StoredUser {
  readonly id: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly fields: Readonly<Partial<Record<Field, string>>>
  readonly properties: string
  readonly targets: readonly Target[]
}

/** A user of whom nothing is stored yet. */
export const newUser = (id: string, now: number): StoredUser => ({
  id,
  createdAt: now,
  updatedAt: now,
  fields: {},
  properties: '{}',
  targets: [],
})

/** The user with the profile that was given, and no other field of the one before. */
export const replaced = (user: StoredUser, given: ProfileInput, now: number): StoredUser => ({
  ...changed({ ...user, fields: {} }, { ...given, properties: undefined }, now),
  properties: given.properties ?? '{}',
})

/** The user with the given fields changed: null removes one, and properties are merged by their names (RFC 7396, one level deep). */
export function changed(user: StoredUser, given: ProfileInput, now: number): StoredUser {
  const fields: Partial<Record<Field, string>> = { ...user.fields }
  for (const name of profileFields) {
    const value = given[name]
    if (value === null) delete fields[name]
    else if (value !== undefined) fields[name] = value
  }
  const properties =
    given.properties === undefined ? user.properties : mergedProperties(user.properties, given.properties ?? 'null')
  return { ...user, fields, properties, updatedAt: now }
}

/** JSON text of an object with the members of both; a null in `change` removes a member, and "null" all of them. */
export function mergedProperties(before: string, change: string): string {
  if (change === 'null') return '{}'
  const merged = memberTexts(before)
  for (const [name, text] of memberTexts(change))
    if (text === 'null') merged.delete(name)
    else merged.set(name, text)
  return `{${[...merged].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`
}

/** The profile as decisions and templates use it. */
export const profileOf = ({ id, fields, properties, targets }: StoredUser): Profile => ({
  id,
  ...fields,
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the text of an object, checked when it was given
  properties: JSON.parse(properties) as Record<string, unknown>,
  targets,
})

/** JSON text of the user as the API shows it. */
export const userText = ({ id, createdAt, updatedAt, fields, properties, targets }: StoredUser): string =>
  encodeWith({ id, ...fields, targets, createdAt, updatedAt }, { properties })

/** What every user of the tenant may see of another. */
export const publicText = ({ id, fields: { name, avatar } }: Pick<StoredUser, 'id' | 'fields'>): string =>
  JSON.stringify({ id, name, avatar })
