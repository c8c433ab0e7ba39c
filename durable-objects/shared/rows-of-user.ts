/** The tables of an actor that have a column `user`. */
const tablesOfUsers = `
  SELECT m.name AS name FROM sqlite_master m JOIN pragma_table_info(m.name) c
  WHERE m.type = 'table' AND c.name = 'user' ORDER BY m.name`

/**
 * Deletes the rows of a user in every table of an actor whose column `user` says whose a row is, after `first` has deleted those that others
 * count. Returns how many there were.
 */
export function deleteRowsOfUser(sql: SqlStorage, user: string, first: () => void): number {
  const tables = sql.exec<{ name: string }>(tablesOfUsers).toArray()
  const counts = tables.map(
    ({ name }) => sql.exec<{ rows: number }>(`SELECT count(*) AS rows FROM "${name}" WHERE user = ?`, user).one().rows,
  )
  first()
  for (const { name } of tables) sql.exec(`DELETE FROM "${name}" WHERE user = ?`, user)
  return counts.reduce((sum, rows) => sum + rows, 0)
}
