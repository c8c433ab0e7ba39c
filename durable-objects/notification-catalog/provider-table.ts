import { addressKey, AddressFilter } from '../../src/notifications/channels/address-filter.ts'
import type { Channel, ProviderState } from '../../src/notifications/model.ts'
import { outboxType, outsideChannels, providerKindOf } from '../../src/notifications/channels/provider-types.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { StoredProvider, UndeliverableAddress } from '../notification-contracts.ts'
import { parseStored } from '../shared/parse-stored.ts'

export const maxProviders = 50

export const providerTables = `
   CREATE TABLE providers (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE undeliverable (address TEXT PRIMARY KEY, at INTEGER NOT NULL, text TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE sent (n INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL);`

/** The providers of a tenant, and the addresses that they said cannot be reached. */
export class ProviderTable {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** Without credentials those of before are kept, as long as channel and type are the same. */
  put(given: StoredProvider): StoredProvider | Refusal {
    const known = this.find(given.name)
    const isSame = known !== undefined && known.type === given.type && known.channel === given.channel
    const kept = isSame ? known.credentials : undefined
    const credentials = given.credentials ?? kept
    if (credentials === undefined && given.type !== outboxType)
      return refuse('invalidPayload', `credentials: a provider of type ${given.type} needs them`)
    const count = this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM providers').one().n
    if (known === undefined && count >= maxProviders)
      return refuse('limitExceeded', `providers: at most ${maxProviders}; delete one first`)
    const eventsToken = known?.eventsToken ?? given.eventsToken
    const host = given.credentials === undefined ? (isSame ? known.host : undefined) : given.host
    const stored: StoredProvider = { ...given, credentials, host, eventsToken }
    this.#sql.exec('INSERT OR REPLACE INTO providers VALUES (?, ?)', given.name, JSON.stringify(stored))
    return stored
  }

  find(name: string): StoredProvider | undefined {
    const [row] = this.#sql.exec<{ text: string }>('SELECT text FROM providers WHERE name = ?', name)
    return row === undefined ? undefined : providerIn(row.text)
  }

  /** In the order in which they are used. */
  list(): StoredProvider[] {
    const rows = this.#sql.exec<{ text: string }>('SELECT text FROM providers').toArray()
    return rows
      .map(({ text }) => providerIn(text))
      .toSorted((a, b) => a.channel.localeCompare(b.channel) || a.order - b.order || (a.name < b.name ? -1 : 1))
  }

  remove(name: string): boolean {
    return this.#sql.exec('DELETE FROM providers WHERE name = ?', name).rowsWritten > 0
  }

  undeliverable(address: string): UndeliverableAddress | undefined {
    const sql = 'SELECT text FROM undeliverable WHERE address = ?'
    const [row] = this.#sql.exec<{ text: string }>(sql, addressKey(address))
    return row === undefined ? undefined : undeliverableIn(row.text)
  }

  /** A filter of all addresses that are marked, with their number. */
  filter(): { readonly filter: AddressFilter; readonly count: number } {
    const { n } = this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM undeliverable').one()
    // For twice as many, so that it is not built anew for each.
    const filter = AddressFilter.withCapacity(n * 2)
    for (const { address } of this.#sql.exec<{ address: string }>('SELECT address FROM undeliverable'))
      filter.add(address)
    return { filter, count: n }
  }

  /** Marks addresses; of two reports of one the later stays. */
  mark(reports: readonly UndeliverableAddress[]): number {
    const sql = `INSERT INTO undeliverable VALUES (?, ?, ?)
      ON CONFLICT (address) DO UPDATE SET at = excluded.at, text = excluded.text WHERE excluded.at >= at`
    let marked = 0
    for (const report of reports)
      marked +=
        this.#sql.exec(sql, addressKey(report.address), report.at, JSON.stringify(report)).rowsWritten > 0 ? 1 : 0
    return marked
  }

  unmark(address: string): boolean {
    return this.#sql.exec('DELETE FROM undeliverable WHERE address = ?', addressKey(address)).rowsWritten > 0
  }
}

/** What the choice of the next attempt sees of a channel's providers. */
export const statesOf = (providers: readonly StoredProvider[], channel: Channel): ProviderState[] =>
  providers
    .filter((provider) => provider.channel === channel)
    .map(({ name, type: typeName, onUnknown, host }) => {
      const type = providerKindOf(typeName)
      return {
        name,
        isIdempotent: type?.isIdempotent ?? true,
        ...(type?.target === undefined ? {} : { targetTypes: [type.target] }),
        onUnknown,
        openUntil: 0,
        host,
      }
    })

/** The providers of a development system that has none of its own for a channel: its messages are kept for `/demo/outbox`. */
export const outboxProviders = (known: readonly StoredProvider[]): StoredProvider[] =>
  outsideChannels
    .filter((channel) => !known.some((provider) => provider.channel === channel))
    .map((channel) => ({
      name: `${outboxType}-${channel}`,
      channel,
      type: outboxType,
      order: 1000,
      from: undefined,
      onUnknown: 'wait',
      credentials: undefined,
      eventsToken: '',
    }))

const providerIn = (text: string): StoredProvider => parseStored<StoredProvider>(text)
const undeliverableIn = (text: string): UndeliverableAddress => parseStored<UndeliverableAddress>(text)
