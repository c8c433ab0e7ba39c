/** The tables of an actor that have such a column, in order. The runtime refuses to describe tables of its own. */
export function tablesWithColumn(sql: SqlStorage, column: string): string[] {
  const own = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '!_cf!_%' ESCAPE '!' ORDER BY name`
  const has = 'SELECT 1 FROM pragma_table_info(?) WHERE name = ?'
  return sql
    .exec<{ name: string }>(own)
    .toArray()
    .flatMap(({ name }) => (sql.exec(has, name, column).toArray().length > 0 ? [name] : []))
}

/**
 * Deletes the rows of a user in every table of an actor whose column `user` says whose a row is, after `first` has deleted those that others
 * count. Returns how many there were.
 */
export function deleteRowsOfUser(sql: SqlStorage, user: string, first: () => void): number {
  const tables = tablesWithColumn(sql, 'user')
  const counts = tables.map(
    (name) => sql.exec<{ rows: number }>(`SELECT count(*) AS rows FROM "${name}" WHERE user = ?`, user).one().rows,
  )
  first()
  for (const name of tables) sql.exec(`DELETE FROM "${name}" WHERE user = ?`, user)
  return counts.reduce((sum, rows) => sum + rows, 0)
}
