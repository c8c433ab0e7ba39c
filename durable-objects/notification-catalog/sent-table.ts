import type { SentMessage } from '../notification-contracts.ts'
import { parseStored } from '../shared/parse-stored.ts'

/** Messages that are kept. */
const maxKept = 200

/** What left by providers of the type `outbox`, in a development system. */
export class SentTable {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** A repeat of a delivery is the same message. */
  keep(message: Omit<SentMessage, 'n'>): void {
    const known = this.#sql.exec(`SELECT 1 FROM sent WHERE json_extract(text, '$.delivery') = ?`, message.delivery)
    if (known.toArray().length > 0) return
    this.#sql.exec('INSERT INTO sent (text) VALUES (?)', JSON.stringify(message))
    this.#sql.exec('DELETE FROM sent WHERE n <= (SELECT max(n) FROM sent) - ?', maxKept)
  }

  /** The newest first. */
  list(): SentMessage[] {
    const rows = this.#sql.exec<{ n: number; text: string }>('SELECT n, text FROM sent ORDER BY n DESC').toArray()
    return rows.map(({ n, text }) => ({ ...messageIn(text), n }))
  }

  find(n: number): SentMessage | undefined {
    const [row] = this.#sql.exec<{ text: string }>('SELECT text FROM sent WHERE n = ?', n)
    return row === undefined ? undefined : { ...messageIn(row.text), n }
  }
}

const messageIn = (text: string): Omit<SentMessage, 'n'> => parseStored<Omit<SentMessage, 'n'>>(text)
