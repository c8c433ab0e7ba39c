import type { Preferences, Profile, Target } from '../../src/notifications/model.ts'
import {
  changed,
  newUser,
  profileOf,
  replaced,
  type ProfileInput,
  type StoredUser,
} from '../../src/notifications/users/profile.ts'
import { byteLength } from '../../src/kernel/text.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { propertiesBytes } from '../../src/protocol/payloads.ts'
import { maxTargets } from '../../src/protocol/users-api.ts'
import { parseStored } from '../shared/parse-stored.ts'
import type { Sql } from '../shared/sql.ts'

/** `profile`, `properties`, `targets` and `preferences` are JSON. A user of whom only preferences or targets are stored has a row, too. */
export const usersSchema = `
  CREATE TABLE users (
    user TEXT PRIMARY KEY, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, profile TEXT NOT NULL,
    properties TEXT NOT NULL, targets TEXT NOT NULL, preferences TEXT) WITHOUT ROWID;`

/** What a decision needs of a recipient: the profile and the own layer of preferences. */
export interface Recipient {
  readonly profile: Profile
  readonly preferences: Preferences | undefined
}

/** The users of one actor: profiles, targets and preferences, one row each. */
export class UserTable {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  find(user: string): StoredUser | undefined {
    const [row] = this.#rows(`SELECT ${columns} FROM users WHERE user = ?`, user)
    return row
  }

  /** The recipient, also one of whom nothing is stored. */
  recipient(user: string): Recipient {
    const sql = `SELECT ${columns}, preferences FROM users WHERE user = ?`
    const [row] = this.#sql.exec<UserRow & { preferences: string | null }>(sql, user)
    if (row === undefined) return unknownRecipient(user)
    return { profile: profileOf(readUser(row)), preferences: readPreferences(row.preferences) }
  }

  /** The same of many users, by their ids. Those of whom nothing is stored are not among them. */
  recipients(users: readonly string[]): Map<string, Recipient> {
    const sql = `SELECT ${columns}, preferences FROM users WHERE user IN (SELECT value FROM json_each(?))`
    const found = new Map<string, Recipient>()
    for (const row of this.#sql.exec<UserRow & { preferences: string | null }>(sql, JSON.stringify(users)))
      found.set(row.user, { profile: profileOf(readUser(row)), preferences: readPreferences(row.preferences) })
    return found
  }

  /** Stores a profile in place of the one before; targets and preferences stay. */
  put(user: string, given: ProfileInput, now: number): { readonly stored: StoredUser; readonly isNew: boolean } {
    const known = this.find(user)
    const stored = replaced(known ?? newUser(user, now), given, now)
    this.#write(stored)
    return { stored, isNew: known === undefined }
  }

  /** Changes fields of a profile that exists. */
  patch(user: string, given: ProfileInput, now: number): StoredUser | Refusal {
    const known = this.find(user)
    if (known === undefined) return refuseUnknown(user)
    const stored = changed(known, given, now)
    const bytes = byteLength(stored.properties)
    if (bytes > propertiesBytes)
      return refuse('tooLarge', `properties: at most ${propertiesBytes} bytes of JSON, ${bytes} with those that stay`)
    this.#write(stored)
    return stored
  }

  /** Takes over the fields of an inline recipient, and creates the user where there is none. Writes nothing that is as it was. */
  merge(user: string, given: ProfileInput, now: number): void {
    const known = this.find(user)
    const before = known ?? newUser(user, now)
    const stored = changed(before, given, now)
    if (byteLength(stored.properties) > propertiesBytes) return
    const isSame = JSON.stringify({ ...stored, updatedAt: before.updatedAt }) === JSON.stringify(before)
    if (known === undefined || !isSame) this.#write(stored)
  }

  /** Stores a user of an export as it is there, unless the one here is as new; whether it was stored. */
  restore(user: StoredUser): boolean {
    const known = this.find(user.id)
    if (known !== undefined && known.updatedAt >= user.updatedAt) return false
    this.#write(user)
    return true
  }

  /** Users in the order of their ids, those behind `after`. */
  page(after: string, limit: number): StoredUser[] {
    return this.#rows(`SELECT ${columns} FROM users WHERE user > ? ORDER BY user LIMIT ?`, after, limit)
  }

  /** Ids alone, for a notification to all users. */
  ids(after: string, limit: number): string[] {
    const sql = 'SELECT user FROM users WHERE user > ? ORDER BY user LIMIT ?'
    return [...this.#sql.exec<{ user: string }>(sql, after, limit)].map(({ user }) => user)
  }

  /** Registers a target, or changes the one of this id. */
  putTarget(user: string, target: Target, now: number): { readonly kind: 'put' } | Refusal {
    const known = this.find(user) ?? newUser(user, now)
    const others = known.targets.filter(({ id }) => id !== target.id)
    const isNew = others.length === known.targets.length
    if (isNew && others.length >= maxTargets)
      return refuse('limitExceeded', `at most ${maxTargets} targets for each user; delete one first`)
    this.#write({ ...known, targets: [...others, target], updatedAt: now })
    return { kind: 'put' }
  }

  /** Removes a target, also one that a provider says is gone; false when there was none. */
  removeTarget(user: string, target: string, now: number): boolean {
    const known = this.find(user)
    const targets = known?.targets.filter(({ id }) => id !== target)
    if (known === undefined || targets === undefined || targets.length === known.targets.length) return false
    this.#write({ ...known, targets, updatedAt: now })
    return true
  }

  preferences(user: string): Preferences | undefined {
    const sql = 'SELECT preferences FROM users WHERE user = ?'
    const [row] = this.#sql.exec<{ preferences: string | null }>(sql, user)
    return readPreferences(row?.preferences ?? null)
  }

  /** Stores a user's own layer of preferences in place of the one before. */
  putPreferences(user: string, preferences: Preferences, now: number): void {
    const sql = `INSERT INTO users (user, created_at, updated_at, profile, properties, targets, preferences)
      VALUES (?, ?, ?, '{}', '{}', '[]', ?) ON CONFLICT (user) DO UPDATE SET preferences = excluded.preferences`
    this.#sql.exec(sql, user, now, now, JSON.stringify(preferences))
  }

  delete(user: string): boolean {
    return this.#sql.exec('DELETE FROM users WHERE user = ? RETURNING user', user).toArray().length > 0
  }

  #write({ id, createdAt, updatedAt, fields, properties, targets }: StoredUser): void {
    const sql = `INSERT INTO users (user, created_at, updated_at, profile, properties, targets) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (user) DO UPDATE SET updated_at = excluded.updated_at, profile = excluded.profile,
        properties = excluded.properties, targets = excluded.targets`
    this.#sql.exec(sql, id, createdAt, updatedAt, JSON.stringify(fields), properties, JSON.stringify(targets))
  }

  #rows(query: string, ...bindings: (string | number)[]): StoredUser[] {
    return [...this.#sql.exec<UserRow>(query, ...bindings)].map(readUser)
  }
}

/** A user of whom nothing is stored. */
export const unknownRecipient = (user: string): Recipient => ({
  profile: profileOf(newUser(user, 0)),
  preferences: undefined,
})

export const refuseUnknown = (user: string): Refusal =>
  refuse('notFound', `user: there is no user ${user}; PUT /v1/users/${user} creates one`)

const columns = 'user, created_at, updated_at, profile, properties, targets'

interface UserRow extends Record<string, string | number | null> {
  readonly user: string
  readonly created_at: number
  readonly updated_at: number
  readonly profile: string
  readonly properties: string
  readonly targets: string
}

const readUser = (row: UserRow): StoredUser => ({
  id: row.user,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  fields: parseStored<StoredUser['fields']>(row.profile),
  properties: row.properties,
  targets: row.targets === '[]' ? [] : parseStored<Target[]>(row.targets),
})

const readPreferences = (text: string | null): Preferences | undefined =>
  text === null ? undefined : parseStored<Preferences>(text)
