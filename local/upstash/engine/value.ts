import type { Bytes } from '../bytes.ts'
import { SortedSet } from './sorted-set.ts'

/** What a key can hold. */
export type Value =
  | { readonly type: 'string'; bytes: Bytes }
  | { readonly type: 'hash'; readonly fields: Map<Bytes, Bytes> }
  | { readonly type: 'list'; readonly items: Bytes[] }
  | { readonly type: 'set'; readonly members: Set<Bytes> }
  | { readonly type: 'zset'; readonly members: SortedSet }

/** The names `TYPE` answers. */
export type ValueType = Value['type']

/** The value of one type. */
export type ValueOf<T extends ValueType> = Extract<Value, { type: T }>

/** Makes the empty value of a type. */
export const emptyValue: { readonly [T in ValueType]: () => ValueOf<T> } = {
  string: () => ({ type: 'string', bytes: '' }),
  hash: () => ({ type: 'hash', fields: new Map() }),
  list: () => ({ type: 'list', items: [] }),
  set: () => ({ type: 'set', members: new Set() }),
  zset: () => ({ type: 'zset', members: new SortedSet() }),
}

/** Narrows a value to one type. */
export function isOfType<T extends ValueType>(value: Value, type: T): value is ValueOf<T> {
  return value.type === type
}

/** Whether a collection has nothing left; Redis removes such keys. An empty string is a value. */
export function isEmpty(value: Value): boolean {
  switch (value.type) {
    case 'string':
      return false
    case 'hash':
      return value.fields.size === 0
    case 'list':
      return value.items.length === 0
    case 'set':
    case 'zset':
      return value.members.size === 0
  }
}

/** A copy that shares nothing with the original. */
export function cloneValue(value: Value): Value {
  switch (value.type) {
    case 'string':
      return { ...value }
    case 'hash':
      return { type: 'hash', fields: new Map(value.fields) }
    case 'list':
      return { type: 'list', items: [...value.items] }
    case 'set':
      return { type: 'set', members: new Set(value.members) }
    case 'zset':
      return { type: 'zset', members: SortedSet.from(value.members) }
  }
}
