import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { z } from 'zod'

const schema = `
  CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, queue TEXT, flow_key TEXT,
    position INTEGER NOT NULL, retried INTEGER NOT NULL, due_at REAL NOT NULL, active INTEGER NOT NULL,
    details TEXT NOT NULL, body BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS messages_free ON messages (due_at, position)
    WHERE active = 0 AND queue IS NULL AND flow_key IS NULL;
  CREATE INDEX IF NOT EXISTS messages_active ON messages (flow_key) WHERE active = 1;
  CREATE INDEX IF NOT EXISTS messages_in_queue ON messages (queue, position) WHERE queue IS NOT NULL;
  CREATE INDEX IF NOT EXISTS messages_in_flow ON messages (flow_key, due_at, position)
    WHERE active = 0 AND queue IS NULL AND flow_key IS NOT NULL;
  CREATE TABLE IF NOT EXISTS queues (
    name TEXT PRIMARY KEY, parallelism INTEGER NOT NULL, paused INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS flow_controls (
    key TEXT PRIMARY KEY, parallelism INTEGER, rate INTEGER, period_ms REAL NOT NULL, paused INTEGER NOT NULL,
    pinned_parallelism INTEGER NOT NULL, pinned_rate INTEGER NOT NULL,
    period_start REAL NOT NULL, rate_count INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS url_groups (
    name TEXT PRIMARY KEY, endpoints TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS deduplications (
    key TEXT PRIMARY KEY, message_id TEXT NOT NULL, expires_at REAL NOT NULL);
  CREATE INDEX IF NOT EXISTS deduplications_by_expiry ON deduplications (expires_at);
  CREATE TABLE IF NOT EXISTS dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, message_id TEXT NOT NULL, url TEXT NOT NULL,
    queue TEXT, details TEXT NOT NULL, body BLOB NOT NULL,
    status INTEGER, response_header TEXT NOT NULL, response_body BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, state TEXT NOT NULL, message_id TEXT NOT NULL,
    url TEXT NOT NULL, facts TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS schedules (
    id TEXT PRIMARY KEY, cron TEXT NOT NULL, destination TEXT NOT NULL, queue TEXT, options TEXT NOT NULL,
    body BLOB NOT NULL, caller_ip TEXT NOT NULL, paused INTEGER NOT NULL, created_at INTEGER NOT NULL,
    last_at INTEGER, last_states TEXT NOT NULL, next_at INTEGER, due_at REAL);
`

/**
 * The file that holds all state, its tables created when missing.
 * What was acknowledged survives the end of this process; `synchronous = NORMAL` gives up only the power failure.
 */
export class Database {
  readonly #db: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(file: string) {
    this.#db = new DatabaseSync(file)
    this.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -2000')
    this.exec(schema)
  }

  exec(sql: string): void {
    this.#db.exec(sql)
  }

  /** Each statement is prepared once: thousands of deliveries would leave thousands of them to the collector. */
  prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql) ?? this.#db.prepare(sql)
    this.#prepared.set(sql, known)
    return known
  }

  /** Runs `work` so that all of its writes happen or none; an inner call joins the outer one. */
  atomically<T>(work: () => T): T {
    if (this.#db.isTransaction) return work()

    this.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.exec('COMMIT')
      return result
    } catch (error) {
      this.exec('ROLLBACK')
      throw error
    }
  }

  close(): void {
    this.#db.close()
  }
}

/** A column of JSON text, checked against `schema`. */
export const jsonColumn = <S extends z.ZodType>(schema: S) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema)

/** A column of bytes. */
export const bytesColumn = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'not bytes')

/** A column of 0 or 1. */
export const flagColumn = z.number().transform((value) => value !== 0)
