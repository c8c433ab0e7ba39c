import { blocksSchema } from './sql-blocks.ts'
import { feedSchema } from './sql-feed.ts'
import { topicsSchema } from './sql-topics.ts'
import { usersSchema } from './sql-users.ts'

/**
 * A notice is one by user and notification; `run` is JSON. `look_at` is never later than the time at which something is due, null when nothing
 * is. `digest_key` is set while a run gathers others, and then `follower` is the end of its window, unless that slides; `leader` and `follower` when
 * another run goes on for it: their numbers say in which order they were gathered. `item` is its item in the feed.
 * `specs` has what is the same for all recipients, without the workflow, whose version is stored once, and the users of the first call that
 * handed it over; `pages` has those of further calls. Steps are appended only; see `migrate`.
 */
const noticesSchema = `
  CREATE TABLE workflows (name TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID;
  CREATE TABLE specs (
    id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, canceled_at INTEGER NOT NULL, pages INTEGER NOT NULL, workflow TEXT NOT NULL,
    version INTEGER NOT NULL, spec TEXT NOT NULL, users TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE pages (id TEXT NOT NULL, page INTEGER NOT NULL, users TEXT NOT NULL, PRIMARY KEY (id, page)) WITHOUT ROWID;
  CREATE TABLE notices (
    user TEXT NOT NULL, notification TEXT NOT NULL, look_at INTEGER, digest_key TEXT, leader TEXT, follower INTEGER, event_key TEXT,
    item TEXT, run TEXT NOT NULL, PRIMARY KEY (user, notification)) WITHOUT ROWID;
  CREATE INDEX notices_due ON notices (look_at) WHERE look_at IS NOT NULL;
  CREATE INDEX notices_gathering ON notices (user, digest_key) WHERE digest_key IS NOT NULL;
  CREATE INDEX notices_gathered ON notices (user, leader, follower) WHERE leader IS NOT NULL;
  CREATE INDEX notices_awaiting ON notices (event_key) WHERE event_key IS NOT NULL;
  CREATE TABLE throttles (user TEXT NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL, times TEXT NOT NULL, PRIMARY KEY (user, key)) WITHOUT ROWID;`

export const recipientsSchema = [noticesSchema, usersSchema, feedSchema, topicsSchema, blocksSchema]
