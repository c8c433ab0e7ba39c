/** The part of an actor's storage that this needs: `ctx.storage.kv`. */
export interface KeyValue {
  get(key: string): unknown
  put(key: string, value: unknown): void
}

/** The same, for an owner of many keys. */
export interface KeyValues extends KeyValue {
  delete(key: string): unknown
  list(options: { readonly prefix: string; readonly limit: number }): Iterable<readonly [string, unknown]>
}
