/** A value of SQLite as parts of actors use it. */
type Value = string | number | null

/** What a part needs of an actor's SQLite: `SqlStorage` is one, and so is a shim over Node's, for simulations. */
export interface Sql {
  exec<Row extends Record<string, Value>>(
    query: string,
    ...bindings: Value[]
  ): Iterable<Row> & { toArray(): Row[]; one(): Row }
}
