/** How values of one kind are cached. */
export interface CacheOptions<V> {
  /** In metrics, and in the keys of the shared tier. */
  readonly name: string
  /** Version of the stored form, in the keys of the shared tier: versions of the Worker with different forms share no value. */
  readonly schema: number
  /** How long a value is used after its load began. */
  readonly ttlMs: number
  /** The part of `ttlMs` by which it is shortened at random, so that values loaded together do not expire together. */
  readonly jitter: number
  /** How long after that a value is still used while it is loaded again in the background. */
  readonly staleMs: number
  /** Early refresh (XFetch): 1 refreshes about as early as a load takes, 0 never. */
  readonly beta: number
  /** How long it is believed that there is no such value; 0 for not at all. */
  readonly negativeMs: number
  /** The tags whose invalidation ends a value's use. Values without tags are never asked epochs for. */
  readonly tags: (key: string) => readonly string[]
  /** What a value takes in memory, in bytes. */
  readonly sizeOf: (value: V) => number
  /** What the memory of one process may hold of this kind, in bytes. */
  readonly maxBytes: number
  /** How long a reader waits for the load of another request before it loads by itself. */
  readonly waitMs: number
  /** Whether a value is worth keeping; every one is where this is not given. */
  readonly isKept?: (value: V) => boolean
  /** The form of values in the shared tier. Without one they are kept in memory only. */
  readonly shared?: SharedForm<V>
}

/** How the shared tier keeps a value. */
export interface SharedForm<V> {
  readonly encode: (value: V) => string
  /** Undefined when the text is no value: whatever was found is then a miss. */
  readonly decode: (text: string) => V | undefined
}

/** Settings that fit most values: five minutes, a tenth of jitter. */
export const usual = {
  schema: 1,
  ttlMs: 300_000,
  jitter: 0.1,
  staleMs: 60_000,
  beta: 1,
  negativeMs: 0,
  maxBytes: 2_000_000,
  waitMs: 2000,
  sizeOf: (value: unknown) => 2 * (JSON.stringify(value)?.length ?? 0),
} as const
