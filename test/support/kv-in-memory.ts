import type { KeyValues } from '../../durable-objects/platform/noted-moves.ts'

/** The key-value storage of an actor, in memory. */
export function kvInMemory(): KeyValues {
  const values = new Map<string, unknown>()
  return {
    get: (key) => structuredClone(values.get(key)),
    put: (key, value) => void values.set(key, structuredClone(value)),
    delete: (key) => values.delete(key),
    list: ({ prefix }) => [...values].filter(([key]) => key.startsWith(prefix)),
  }
}
