/** A value in SQLite. */
type Value = string | number | null

/** An actor's SQLite, as far as tables need it: `SqlStorage`, or a shim over Node's in simulations. */
export interface Sql {
  exec<Row extends Record<string, Value>>(
    query: string,
    ...bindings: Value[]
  ): Iterable<Row> & { toArray(): Row[]; one(): Row }
}
