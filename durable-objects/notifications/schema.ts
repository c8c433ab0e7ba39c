/**
 * `due_at` is null when all parts of a notification have been handed over, or when it was canceled. `spec` is the notification as recipients'
 * actors get it, as JSON. A part holds recipients of one actor: users, or how far the actor has expanded a topic or all its users. `cancels` are
 * cancellations that an actor has not confirmed; `called` has a bit for each actor that recipients were handed over to.
 */
export const notificationsSchema = [
  `CREATE TABLE notifications (
     id TEXT PRIMARY KEY, at INTEGER NOT NULL, deliver_at INTEGER NOT NULL, due_at INTEGER, is_canceled INTEGER NOT NULL, keep_ms INTEGER NOT NULL,
     workflow TEXT NOT NULL, cancel_key TEXT, fingerprint TEXT NOT NULL, selection TEXT NOT NULL, recipients INTEGER, handed INTEGER NOT NULL, called INTEGER NOT NULL,
     refused INTEGER NOT NULL, refusals TEXT NOT NULL, spec TEXT NOT NULL) WITHOUT ROWID;
   CREATE INDEX notifications_due ON notifications (due_at) WHERE due_at IS NOT NULL;
   CREATE INDEX notifications_by_time ON notifications (at, id);
   CREATE INDEX notifications_by_key ON notifications (cancel_key) WHERE cancel_key IS NOT NULL;
   CREATE TABLE parts (
     notification TEXT NOT NULL, part INTEGER NOT NULL, actor INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (notification, part)) WITHOUT ROWID;
   CREATE TABLE cancels (
     notification TEXT NOT NULL, actor INTEGER NOT NULL, n INTEGER NOT NULL, users TEXT, PRIMARY KEY (notification, actor, n)) WITHOUT ROWID;`,
]
