/** `data` is JSON: of a review `Review`, of an act `ModerationAct` without its id. `user` is the user that a row is about. */
export const moderationSchema = [
  `CREATE TABLE bans (
     user TEXT PRIMARY KEY, until INTEGER, reason TEXT, moderator TEXT, at INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE reviews (
     n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, target TEXT NOT NULL UNIQUE, state TEXT NOT NULL, user TEXT NOT NULL, changed_at INTEGER NOT NULL,
     data TEXT NOT NULL);
   CREATE INDEX reviews_by_state ON reviews (state, n);
   CREATE INDEX reviews_by_user ON reviews (user);
   CREATE TABLE reports (
     review INTEGER NOT NULL, reporter TEXT NOT NULL, at INTEGER NOT NULL, number INTEGER NOT NULL, reason TEXT NOT NULL, text TEXT,
     PRIMARY KEY (review, reporter)) WITHOUT ROWID;
   CREATE INDEX reports_by_reporter ON reports (reporter, at);
   CREATE TABLE acts (n INTEGER PRIMARY KEY, user TEXT, moderator TEXT, data TEXT NOT NULL);
   CREATE INDEX acts_by_user ON acts (user);
   CREATE INDEX acts_by_moderator ON acts (moderator);`,
]
