import type { Bytes } from '../reply.ts'
import { errors } from './errors.ts'

/** A string or a set, the two types the engine knows. */
export type Value = Bytes | Set<Bytes>

export interface Entry {
  readonly value: Value
  /** Epoch milliseconds. At this instant the key is already gone. */
  readonly expiresAt: number | undefined
  /** Grows with each new key. SCAN uses it as its cursor, so that deleting keys between two calls skips none. */
  readonly sequence: number
}

/** The keys. Expiry is decided at each access by the given time, without timers. */
export class Keyspace {
  readonly #entries = new Map<Bytes, Entry>()
  readonly #now: () => number
  #lastSequence = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** The entry of a key that has not expired. */
  entry(key: Bytes): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry?.expiresAt === undefined || entry.expiresAt > this.#now()) return entry
    this.#entries.delete(key)
    return undefined
  }

  /** The string of a key, undefined without one. Throws WRONGTYPE for a set. */
  string(key: Bytes): Bytes | undefined {
    const value = this.entry(key)?.value
    if (value === undefined || typeof value === 'string') return value
    throw errors.wrongType()
  }

  /** The members of a key, an empty set without one. Throws WRONGTYPE for a string. */
  members(key: Bytes): Set<Bytes> {
    const value = this.entry(key)?.value ?? new Set()
    if (typeof value === 'string') throw errors.wrongType()
    return value
  }

  /** Adds and removes members and keeps the expiry. Returns how many changed. A key without members is removed. */
  editMembers(key: Bytes, change: (members: Set<Bytes>) => void): number {
    const members = this.members(key)
    const before = members.size
    change(members)
    if (members.size === 0) this.delete(key)
    else if (before === 0) this.put(key, members)
    return Math.abs(members.size - before)
  }

  /** Stores a value in place of any earlier value and its expiry. */
  put(key: Bytes, value: Value, expiresAt?: number): void {
    const sequence = this.entry(key)?.sequence ?? (this.#lastSequence += 1)
    this.#entries.set(key, { value, expiresAt, sequence })
  }

  /** Sets the expiry of a key; undefined removes it. */
  expire(key: Bytes, expiresAt: number | undefined): void {
    const entry = this.entry(key)
    if (entry !== undefined) this.#entries.set(key, { ...entry, expiresAt })
  }

  /** Removes a key and returns whether it existed. */
  delete(key: Bytes): boolean {
    return this.entry(key) !== undefined && this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }

  /** The keys that have not expired, in the order of their creation. */
  living(): [Bytes, Entry][] {
    return [...this.#entries].filter(([key]) => this.entry(key) !== undefined)
  }
}
