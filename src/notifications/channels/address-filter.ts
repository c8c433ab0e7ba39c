import { hash32, mixed32 } from '../../kernel/id.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'

/** Bits for each address, and places of an address: 1 % of others seem to be among 100,000. */
const bitsPerAddress = 10
const places = 4
const minBytes = 1024
const maxBytes = 131_072

/** The domain of an e-mail address has no case, and no provider tells local parts apart by theirs. */
export const addressKey = (address: string): string => address.toLowerCase()

/** A Bloom filter of addresses: says "no" for certain, and "perhaps" seldom for one that is not in it. */
export class AddressFilter {
  readonly bits: Uint8Array

  constructor(bits: Uint8Array) {
    this.bits = bits
  }

  /** An empty one for so many addresses. */
  static withCapacity(count: number): AddressFilter {
    let bytes = count === 0 ? 0 : minBytes
    while (bytes < maxBytes && bytes * 8 < count * bitsPerAddress) bytes *= 2
    return new AddressFilter(new Uint8Array(bytes))
  }

  /** Addresses that it may have before it should be replaced by a larger one; Infinity where there is none. */
  get capacity(): number {
    return this.bits.length >= maxBytes ? Infinity : Math.floor((this.bits.length * 8) / bitsPerAddress)
  }

  add(address: string): void {
    for (const place of this.#placesOf(address)) {
      const byte = this.bits[place >> 3]
      if (byte !== undefined) this.bits[place >> 3] = byte | (1 << (place & 7))
    }
  }

  mayHave(address: string): boolean {
    if (this.bits.length === 0) return false
    return this.#placesOf(address).every((place) => ((this.bits[place >> 3] ?? 0) & (1 << (place & 7))) !== 0)
  }

  #placesOf(address: string): number[] {
    const key = addressKey(address)
    const first = mixed32(hash32(key))
    const step = mixed32(hash32(key, 0x9747b28c)) | 1
    const size = this.bits.length * 8
    return Array.from({ length: places }, (_, n) => ((first + Math.imul(n, step)) >>> 0) % size)
  }
}

/** A filter as it is given away; `bits` is absent where the caller has this version. */
export interface StoredFilter {
  readonly version: string
  readonly bits?: Uint8Array
}

interface Known {
  readonly version: string
  readonly filter: AddressFilter
  until: number
}

/** For how long a filter is used, in milliseconds, and how long the others use an old one while one call asks for the next. */
const filterForMs = 5000
const askingMs = 1000

/** The filters of tenants in one isolate. */
export class KnownFilters {
  readonly #known = new BoundedMap<string, Known>(100)

  /** Whether an address may be undeliverable. `ask` is called once in five seconds for a tenant, with the version that is known. */
  async mayHave(
    tenant: string,
    address: string,
    now: number,
    ask: (version: string | undefined) => Promise<StoredFilter>,
  ): Promise<boolean> {
    const known = this.#known.get(tenant)
    if (known !== undefined && now < known.until && known.until - now <= filterForMs)
      return known.filter.mayHave(address)
    if (known !== undefined) known.until = now + askingMs
    const { version, bits } = await ask(known?.version)
    const filter = bits === undefined ? known?.filter : new AddressFilter(bits)
    if (filter === undefined) return true
    this.#known.set(tenant, { version, filter, until: now + filterForMs })
    return filter.mayHave(address)
  }
}
