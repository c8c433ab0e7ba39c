/**
 * A notes actor's tables. `conversations` holds the state that is the same for all members, once per conversation;
 * `notes` one row for each (user, conversation), whose `place` is the number of its last change in this actor.
 * `inboxes` says which users' inboxes are updated directly. `chosen_ids` are ids of conversations that the tenant's
 * server chose: of those that hash to this actor, so that an id without the tenant's check is known without waking its
 * conversation.
 */
export const inboxNotesSchema: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE conversations (id TEXT PRIMARY KEY, place INTEGER NOT NULL, version INTEGER NOT NULL, last INTEGER NOT NULL, news TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE notes (
     user TEXT NOT NULL, conversation TEXT NOT NULL, place INTEGER NOT NULL, version INTEGER NOT NULL, read INTEGER NOT NULL,
     removed INTEGER NOT NULL, PRIMARY KEY (user, conversation)) WITHOUT ROWID;
   CREATE INDEX members ON notes (conversation, user) WHERE removed = 0;
   CREATE TABLE inboxes (user TEXT PRIMARY KEY, turn INTEGER NOT NULL, open INTEGER NOT NULL) WITHOUT ROWID;`,
  'CREATE TABLE chosen_ids (id TEXT PRIMARY KEY) WITHOUT ROWID;',
]
