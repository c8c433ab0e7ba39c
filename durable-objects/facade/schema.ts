/** The tables of a facade: routes, versions and reports as JSON; times in milliseconds. */
export const facadeSchema: readonly string[] = [
  `CREATE TABLE routes (name TEXT PRIMARY KEY, route TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE versions (route TEXT NOT NULL, version INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (route, version)) WITHOUT ROWID;
   CREATE TABLE differences (id INTEGER PRIMARY KEY, route TEXT NOT NULL, report TEXT NOT NULL);
   CREATE INDEX differences_of_route ON differences (route, id);`,
]
