/**
 * Brings an actor's SQLite up to date: steps are numbered by their place, append-only, each run once.
 * An actor that was never used has no tables and stays that way until its first write.
 */
export function migrate(sql: SqlStorage, steps: readonly string[]): void {
  sql.exec('CREATE TABLE IF NOT EXISTS schema_steps (step INTEGER PRIMARY KEY)')
  const done = Number(sql.exec('SELECT coalesce(max(step), 0) AS step FROM schema_steps').one()['step'])
  for (let step = done + 1; step <= steps.length; step++) {
    sql.exec(steps[step - 1] ?? '')
    sql.exec('INSERT INTO schema_steps (step) VALUES (?)', step)
  }
}

/** Whether this actor was ever written to. */
export const isUsed = (sql: SqlStorage): boolean =>
  sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'schema_steps'").toArray().length > 0
