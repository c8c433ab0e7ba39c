/** A time that never comes, of a run that only a person can go on with: an alarm may be set for it. */
export const neverAt = 4_102_444_800_000

const ended = `('completed', 'compensated')`

/**
 * `data` is the run as JSON. `look_at` is never later than the time at which something is due, and is left as it is while
 * that holds, so that a step writes no entry of the index; so is `is_calling`, which says that a call may be under way.
 * It is null of a run that began lately: no index but that by time has it, see {@link RunTable}.
 */
export const sagaSchema = [
  `CREATE TABLE definitions (name TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID;
   CREATE TABLE runs (
     id TEXT PRIMARY KEY, saga TEXT NOT NULL, state TEXT NOT NULL, is_stuck INTEGER NOT NULL, started_at INTEGER NOT NULL,
     look_at INTEGER, is_calling INTEGER NOT NULL, data TEXT NOT NULL) WITHOUT ROWID;
   CREATE INDEX runs_due ON runs (look_at) WHERE look_at IS NOT NULL;
   CREATE INDEX runs_calling ON runs (id) WHERE is_calling = 1;
   CREATE INDEX runs_open ON runs (saga, state) WHERE state NOT IN ('completed', 'compensated');
   CREATE INDEX runs_by_time ON runs (started_at, id);
   CREATE TABLE listeners (channel TEXT NOT NULL, gateway TEXT NOT NULL, PRIMARY KEY (channel, gateway)) WITHOUT ROWID;`,
  `UPDATE runs SET look_at = ${neverAt} WHERE look_at IS NULL;
   DROP INDEX runs_calling;
   DROP INDEX runs_open;
   CREATE INDEX runs_calling ON runs (id) WHERE is_calling = 1 AND look_at IS NOT NULL;
   CREATE INDEX runs_open ON runs (saga, state) WHERE look_at IS NOT NULL AND state NOT IN ${ended};`,
]
