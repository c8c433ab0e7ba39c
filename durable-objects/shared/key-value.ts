/** The part of an actor's storage that this needs: `ctx.storage.kv`. */
export interface KeyValue {
  get(key: string): unknown
  put(key: string, value: unknown): void
}
