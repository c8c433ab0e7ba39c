import type { Bytes } from '../bytes.ts'
import { refusals } from './errors.ts'
import { type Value, type ValueOf, type ValueType, emptyValue, isEmpty, isOfType } from './value.ts'

/** A key's value and its end. */
export interface Entry {
  value: Value
  /** Epoch milliseconds; at this instant the key is already gone. */
  expiresAt: number | undefined
  /** Grows with each new key: SCAN's cursor, so that keys deleted between two calls make none be skipped. */
  readonly sequence: number
}

/** The keys. Expiry is decided on each look by the given time, never by a timer. */
export class Keyspace {
  readonly #entries = new Map<Bytes, Entry>()
  readonly #now: () => number
  #lastSequence = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** The living entry of a key. */
  entry(key: Bytes): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry?.expiresAt === undefined || entry.expiresAt > this.#now()) return entry
    this.#entries.delete(key)
    return undefined
  }

  /** The value of a key if it is of this type; throws WRONGTYPE if it is of another. */
  find<T extends ValueType>(key: Bytes, type: T): ValueOf<T> | undefined {
    const value = this.entry(key)?.value
    if (value === undefined) return undefined
    if (!isOfType(value, type)) throw refusals.wrongType()
    return value
  }

  /** The value of a key, or an empty one that is not stored. For commands that only read. */
  peek<T extends ValueType>(key: Bytes, type: T): ValueOf<T> {
    return this.find(key, type) ?? emptyValue[type]()
  }

  /** Changes a value in place, making it first if missing and removing it if nothing is left. */
  edit<T extends ValueType, R>(key: Bytes, type: T, change: (value: ValueOf<T>) => R): R {
    const found = this.find(key, type)
    const value = found ?? emptyValue[type]()
    const result = change(value)
    if (isEmpty(value)) this.delete(key)
    else if (found === undefined) this.put(key, value)
    return result
  }

  /** Stores a value, replacing whatever was there and its expiry. An empty collection removes the key. */
  put(key: Bytes, value: Value, expiresAt?: number): void {
    if (isEmpty(value)) {
      this.delete(key)
      return
    }
    const sequence = this.entry(key)?.sequence ?? (this.#lastSequence += 1)
    this.#entries.set(key, { value, expiresAt, sequence })
  }

  /** Sets or, with undefined, lifts the end of a key. An end already past deletes it. */
  expire(key: Bytes, expiresAt: number | undefined): void {
    const entry = this.entry(key)
    if (entry !== undefined) entry.expiresAt = expiresAt
  }

  /** Removes a key; answers whether it was living. */
  delete(key: Bytes): boolean {
    return this.entry(key) !== undefined && this.#entries.delete(key)
  }

  /** Removes every key. */
  clear(): void {
    this.#entries.clear()
  }

  /** The living keys in the order they first appeared. */
  living(): [Bytes, Entry][] {
    return [...this.#entries].filter(([key]) => this.entry(key) !== undefined)
  }
}
