import { replyEntry } from '../../src/activity/entry-change.ts'
import type { LogRow } from '../../src/conversations/types.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import type { Settings } from '../shared/settings.ts'
import type { MessageLog } from './message-log.ts'

/** With more entries appended since the last look, the table is searched instead. */
const maxBehind = 256

/** A message as lists of conversations show it. */
export interface Preview {
  readonly seq: number
  readonly user: string
  readonly text: string
}

interface Known {
  /** The newest message that is not deleted, of those that are held here. */
  newest: LogRow | undefined
  /** The seq up to which the log was read. */
  upTo: number
}

/** The newest message of a log, as lists of conversations show it. */
export class LogSummary {
  readonly #sql: SqlStorage
  readonly #settings: Settings
  readonly #log: MessageLog
  /** Undefined until it is read. */
  #known: Known | undefined

  constructor(sql: SqlStorage, settings: Settings, log: MessageLog) {
    this.#sql = sql
    this.#settings = settings
    this.#log = log
  }

  /** The newest message that is not deleted, with its newest text. Of messages that only Postgres has, the last one known. */
  newest(): Preview | null {
    const { newest } = this.#read()
    if (newest === undefined) return this.#prunedNewest()
    const { seq, user, data } = newest
    const edited = this.#sql
      .exec<{ text: string | null }>('SELECT text FROM amendments WHERE ref = ?', seq)
      .toArray()[0]
    return { seq, user, text: edited?.text ?? textOf(data) }
  }

  /** Message `ref` reads `text` from now on, or is deleted when that is null. */
  amended(ref: number, text: string | null): void {
    if (text === null && this.#known !== undefined) {
      const known = this.#read()
      if (known.newest?.seq === ref) known.newest = this.#findNewest()
    }
    const pruned = this.#prunedNewest()
    if (pruned?.seq === ref) this.#settings.set('newest', text === null ? '' : JSON.stringify({ ...pruned, text }))
  }

  /** Remembers the newest message before the log drops the data of entries up to `upTo`. */
  keepNewest(upTo: number): void {
    if (upTo < this.#log.floor()) return
    const newest = this.newest()
    this.#settings.set('newest', newest !== null && newest.seq <= upTo ? JSON.stringify(newest) : '')
    this.#known = undefined
  }

  /** Entries were changed in the table. */
  reread(): void {
    this.#known = undefined
  }

  /** The newest message is that of an erased user, and only Postgres has its row. Returns whether it was. */
  eraseUser({ user, pseudonym, messages }: ErasedUser): boolean {
    const pruned = this.#prunedNewest()
    if (pruned?.user !== user) return false
    this.#settings.set('newest', messages === 'delete' ? '' : JSON.stringify({ ...pruned, user: pseudonym }))
    return true
  }

  clear(): void {
    this.#settings.set('newest', '')
    this.#known = undefined
  }

  #read(): Known {
    const known = this.#known
    const top = this.#log.top()
    if (known === undefined || top - known.upTo > maxBehind)
      return (this.#known = { newest: this.#findNewest(), upTo: top })
    const appended = this.#log.range(known.upTo, top, maxBehind)
    known.newest = appended.findLast(isShown) ?? known.newest
    known.upTo = top
    return known
  }

  #findNewest(): LogRow | undefined {
    const isLive = `client_id IS NOT NULL AND data NOT LIKE '${replyEntry}%' AND seq NOT IN (SELECT ref FROM amendments WHERE text IS NULL)`
    return this.#log.rows(`seq >= ? AND data IS NOT NULL AND ${isLive} ORDER BY seq DESC LIMIT 1`, this.#log.floor())[0]
  }

  /** The newest message once only Postgres has its row. */
  #prunedNewest(): Preview | null {
    const text = this.#settings.get('newest') ?? ''
    if (text === '') return null
    const newest: Preview = JSON.parse(text)
    return newest
  }
}

/** Whether an entry is a message that the conversation shows, and not only a thread. */
const isShown = ({ clientId, data }: LogRow): boolean => clientId !== null && !data.startsWith(replyEntry)

function textOf(data: string): string {
  const { text = '' }: { text?: string } = JSON.parse(data)
  return text
}
