import type { OutboxStorage } from '../../durable-objects/shared/event-outbox.ts'

type ListOptions = Parameters<OutboxStorage['list']>[0]

/** The key–value storage of an actor, for tests in plain Node; `reads` and `writes` count its calls. */
export class StoredValues implements OutboxStorage {
  readonly #values = new Map<string, string>()
  reads = 0
  writes = 0

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as the platform declares it
  get<T>(key: string): T | undefined {
    this.reads++
    const text = this.#values.get(key)
    return text === undefined ? undefined : JSON.parse(text)
  }

  put(key: string, value: unknown): void {
    this.writes++
    this.#values.set(key, JSON.stringify(value))
  }

  delete(key: string): boolean {
    this.writes++
    return this.#values.delete(key)
  }

  list<T>({ prefix, limit = Infinity, reverse = false }: ListOptions): [string, T][] {
    this.reads++
    const keys = [...this.#values.keys()].filter((key) => key.startsWith(prefix)).toSorted()
    const found = reverse ? keys.toReversed() : keys
    return found.slice(0, limit).map((key) => [key, JSON.parse(this.#values.get(key) ?? 'null')])
  }

  /** The same storage for one instance of the actor, which writes nothing once it has died. */
  whileIn(instance: { readonly isDead: boolean }): OutboxStorage {
    const alive = (): void => {
      if (instance.isDead) throw new Error('this instance has died')
    }
    return {
      get: (key: string) => this.get(key),
      list: <T>(options: ListOptions) => this.list<T>(options),
      put: (key: string, value: unknown) => {
        alive()
        this.put(key, value)
      },
      delete: (key: string) => {
        alive()
        return this.delete(key)
      },
    }
  }

  texts(): string[] {
    return [...this.#values.values()]
  }
}
