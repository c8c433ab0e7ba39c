import { feedSchema } from './sql-feed.ts'
import { topicsSchema } from './sql-topics.ts'
import { usersSchema } from './sql-users.ts'

/**
 * Notifications are numbered in each actor (`specs.n`); a notice is one by user and number. `spec` is JSON of the notification without its
 * workflow, whose version is stored once. `look_at` of a notice is when something is due, null when nothing is. `digest_key` is set while a
 * run gathers others, `leader` and `follower` when another run goes on for it. `pages` are the users of each call that handed a
 * notification over. Steps are appended only; see `migrate`.
 */
export const recipientsSchema = [
  `CREATE TABLE workflows (name TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID;
   CREATE TABLE specs (
     n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, expires_at INTEGER NOT NULL, canceled_at INTEGER NOT NULL,
     workflow TEXT NOT NULL, version INTEGER NOT NULL, spec TEXT NOT NULL);
   CREATE TABLE pages (n INTEGER NOT NULL, page INTEGER NOT NULL, users TEXT NOT NULL, PRIMARY KEY (n, page)) WITHOUT ROWID;
   CREATE TABLE notices (
     user TEXT NOT NULL, n INTEGER NOT NULL, look_at INTEGER, digest_key TEXT, leader INTEGER, follower INTEGER, run TEXT NOT NULL,
     PRIMARY KEY (user, n)) WITHOUT ROWID;
   CREATE INDEX notices_due ON notices (look_at) WHERE look_at IS NOT NULL;
   CREATE INDEX notices_gathering ON notices (user, digest_key) WHERE digest_key IS NOT NULL;
   CREATE INDEX notices_gathered ON notices (user, leader, follower) WHERE leader IS NOT NULL;
   CREATE TABLE throttles (user TEXT NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL, times TEXT NOT NULL, PRIMARY KEY (user, key)) WITHOUT ROWID;`,
  usersSchema,
  feedSchema,
  topicsSchema,
]
