import { ParleyError } from './failure.ts'
import type { ObjectStorage } from './object-storage.ts'
import type { NewEvent, NewRun, ParleyServer } from './server-client.ts'

/** Requests of one step of the relay, and the first and longest pause while Parley cannot be reached, in milliseconds. */
const maxRows = 100
const firstPauseMs = 500
const maxPauseMs = 30_000

interface Row {
  readonly seq: number
  readonly kind: 'event' | 'run'
  /** The topic, or the saga. */
  readonly target: string
  readonly body: unknown
}

/**
 * Publishes events, and starts sagas, from a Durable Object with SQLite: what is to be sent is a row, written in the transaction that
 * changes the object's own data, so that both are there or neither. The object's alarm sends the rows, in order, and again until
 * Parley has them; a repeat has no effect.
 *
 * Call `relay` from `alarm()`. The outbox sets the alarm.
 */
export class ObjectOutbox {
  readonly #storage: ObjectStorage
  readonly #parley: Pick<ParleyServer, 'publish' | 'startRun'>
  #failures = 0

  constructor(storage: ObjectStorage, parley: Pick<ParleyServer, 'publish' | 'startRun'>) {
    this.#storage = storage
    this.#parley = parley
    storage.sql.exec(`CREATE TABLE IF NOT EXISTS parley_outbox (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, target TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, error TEXT
    )`)
    if (this.pending > 0) this.#wake(0)
  }

  /** Rows that are to be sent, those that were refused among them. */
  get pending(): number {
    const [row] = this.#storage.sql.exec('SELECT count(*) AS pending FROM parley_outbox').toArray()
    return Number(row?.['pending'])
  }

  /** Publishes an event once the transaction is committed. */
  publish(topic: string, event: NewEvent): void {
    this.#add('event', topic, event.key ?? '', event)
  }

  /** Starts a run once the transaction is committed. */
  startRun(saga: string, run: NewRun): void {
    this.#add('run', saga, run.id, run)
  }

  /** Rows that Parley refused, with the reason. Later rows of the same key wait until they are mended or deleted. */
  refused(): readonly { readonly key: string; readonly error: string }[] {
    return this.#storage.sql
      .exec('SELECT key, error FROM parley_outbox WHERE error IS NOT NULL ORDER BY seq')
      .toArray()
      .map(({ key, error }) => ({ key: String(key), error: String(error) }))
  }

  /** Sends all rows; comes back by the alarm while Parley cannot be reached. */
  async relay(): Promise<void> {
    try {
      for (let rows = this.#oldest(); rows.length > 0; rows = this.#oldest()) {
        // Set first: an object that dies while it sends is woken again.
        this.#wake(maxPauseMs)
        for (const group of groupsOf(rows)) if (!(await this.#send(group))) break
      }
      this.#failures = 0
    } catch {
      this.#wake(Math.min(maxPauseMs, firstPauseMs * 2 ** this.#failures++))
    }
  }

  #add(kind: Row['kind'], target: string, key: string, body: object): void {
    this.#storage.sql.exec(
      'INSERT INTO parley_outbox (kind, target, key, body) VALUES (?, ?, ?, ?)',
      kind,
      target,
      key,
      JSON.stringify(body),
    )
    this.#wake(0)
  }

  #wake(inMs: number): void {
    void this.#storage.setAlarm(Date.now() + inMs)
  }

  #oldest(): readonly Row[] {
    return this.#storage.sql
      .exec(
        `SELECT seq, kind, target, body FROM parley_outbox AS mine WHERE error IS NULL AND NOT EXISTS (
           SELECT 1 FROM parley_outbox AS before WHERE before.key = mine.key AND before.error IS NOT NULL AND before.seq < mine.seq
         ) ORDER BY seq LIMIT ?`,
        maxRows,
      )
      .toArray()
      .map(({ seq, kind, target, body }) => ({
        seq: Number(seq),
        kind: kind === 'run' ? 'run' : 'event',
        target: String(target),
        body: JSON.parse(String(body)),
      }))
  }

  /** False when a row was refused: what follows may be of its key, and is read again. Throws while Parley cannot be reached. */
  async #send(rows: readonly Row[]): Promise<boolean> {
    const [first] = rows
    if (first === undefined) return true
    try {
      if (first.kind === 'event')
        await this.#parley.publish(
          first.target,
          rows.map(({ body }) => eventIn(body)),
        )
      else await this.#parley.startRun(first.target, runIn(first.body))
    } catch (thrown) {
      if (!isRefusal(thrown)) throw thrown
      if (rows.length > 1) {
        for (const row of rows) if (!(await this.#send([row]))) return false
        return true
      }
      this.#storage.sql.exec('UPDATE parley_outbox SET error = ? WHERE seq = ?', thrown.message, first.seq)
      return false
    }
    const seqs = rows.map(({ seq }) => seq)
    this.#storage.sql.exec(`DELETE FROM parley_outbox WHERE seq IN (${seqs.map(() => '?').join(',')})`, ...seqs)
    return true
  }
}

/** The row itself is wrong; anything else may be over later. */
const isRefusal = (thrown: unknown): thrown is ParleyError =>
  thrown instanceof ParleyError && ['invalid', 'conflict', 'tooLarge'].includes(thrown.kind)

/** Events that follow each other in one topic are one request. */
function groupsOf(rows: readonly Row[]): Row[][] {
  const groups: Row[][] = []
  for (const row of rows) {
    const last = groups.at(-1)
    const [first] = last ?? []
    if (last !== undefined && row.kind === 'event' && first?.kind === 'event' && first.target === row.target)
      last.push(row)
    else groups.push([row])
  }
  return groups
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the row was written by publish
const eventIn = (body: unknown): NewEvent => body as NewEvent
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the row was written by startRun
const runIn = (body: unknown): NewRun => body as NewRun
