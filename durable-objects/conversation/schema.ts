/** A conversation's tables. A message costs its row here and its entry in `by_client_id`, nothing more. */
export const conversationSchema: readonly string[] = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE members (
     user TEXT PRIMARY KEY, role TEXT NOT NULL, joined_at INTEGER NOT NULL, read INTEGER NOT NULL,
     read_untold INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
   CREATE TABLE messages (
     seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, user TEXT NOT NULL, client TEXT NOT NULL, client_id TEXT, data TEXT);
   CREATE UNIQUE INDEX by_client_id ON messages (user, client_id) WHERE client_id IS NOT NULL;
   CREATE TABLE amendments (ref INTEGER PRIMARY KEY, at INTEGER NOT NULL, text TEXT);
   CREATE TABLE removals (user TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE listeners (gateway TEXT PRIMARY KEY) WITHOUT ROWID;`,
  // Members of before this step came with the entry of the same moment, or with the conversation.
  `ALTER TABLE members ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;
   UPDATE members SET joined = entry.seq - 1
     FROM (SELECT at, max(seq) AS seq FROM messages WHERE client_id IS NULL GROUP BY at) AS entry
     WHERE entry.at = members.joined_at;`,
  // `number`: how many messages there are up to the entry; of entries of before it follows from the next one that has it.
  // `read_untold` numbers the moves of cursors from now on, so that one stored number says which of them were told.
  `ALTER TABLE messages ADD COLUMN number INTEGER;
   UPDATE messages SET number = (SELECT count(*) FROM messages WHERE client_id IS NOT NULL)
     WHERE seq = (SELECT max(seq) FROM messages);
   ALTER TABLE members ADD COLUMN inbox_untold INTEGER NOT NULL DEFAULT 0;
   UPDATE members SET inbox_untold = 1 WHERE read_untold = 1;
   CREATE TABLE mentions (seq INTEGER PRIMARY KEY, users TEXT NOT NULL, everyone INTEGER NOT NULL);`,
  // What became of messages beside their newest text; see docs/design/chat-messages.md. `quiet`: the message did not count.
  `CREATE TABLE reactions (
     ref INTEGER NOT NULL, user TEXT NOT NULL, reaction TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
     PRIMARY KEY (ref, user, reaction)) WITHOUT ROWID;
   CREATE TABLE reaction_counts (
     ref INTEGER NOT NULL, reaction TEXT NOT NULL, count INTEGER NOT NULL, first INTEGER NOT NULL,
     PRIMARY KEY (ref, reaction)) WITHOUT ROWID;
   CREATE TABLE pins (
     ref INTEGER PRIMARY KEY, user TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, until INTEGER);
   CREATE TABLE edits (
     ref INTEGER NOT NULL, seq INTEGER NOT NULL, user TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL,
     PRIMARY KEY (ref, seq)) WITHOUT ROWID;
   ALTER TABLE amendments ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0;`,
  // `thread`: the message that begins the thread of a reply; `reply`: how many replies the thread has up to it. `first` is a
  // user's first reply in a thread; `follows` is null where nothing made them follow it, and 0 where they decided not to.
  `ALTER TABLE messages ADD COLUMN thread INTEGER;
   ALTER TABLE messages ADD COLUMN reply INTEGER;
   CREATE INDEX by_thread ON messages (thread, seq) WHERE thread IS NOT NULL;
   ALTER TABLE amendments ADD COLUMN thread INTEGER;
   CREATE INDEX deleted_replies ON amendments (thread, ref) WHERE thread IS NOT NULL AND text IS NULL;
   CREATE TABLE thread_users (
     root INTEGER NOT NULL, user TEXT NOT NULL, first INTEGER, follows INTEGER, read INTEGER NOT NULL DEFAULT 0,
     PRIMARY KEY (root, user)) WITHOUT ROWID;
   CREATE INDEX threads_by_user ON thread_users (user, root);`,
  // The content of messages that were deleted and can be restored until a time, and of restored ones.
  'CREATE TABLE kept_messages (ref INTEGER PRIMARY KEY, data TEXT NOT NULL, until INTEGER);',
  // Files; see docs/design/attachments.md. `due` is when one is let go of.
  `CREATE TABLE uploads (
     id TEXT PRIMARY KEY, user TEXT NOT NULL, seq INTEGER, state TEXT NOT NULL, due INTEGER, data TEXT NOT NULL) WITHOUT ROWID;
   CREATE INDEX uploads_due ON uploads (due) WHERE due IS NOT NULL;
   CREATE INDEX uploads_of_message ON uploads (seq) WHERE seq IS NOT NULL;`,
]
