import type { UserBuckets } from './user-buckets.ts'

/** A user with connections; `buckets` is undefined when they did not outlast a sleep: then all conversations may be theirs. */
export interface InterestedUser {
  readonly buckets: UserBuckets | undefined
}

/** Look-ups after which users are indexed by bucket. A gateway that woke for one update does not build an index for it. */
const lookupsBeforeIndex = 16
/** Up to so many users their sets are looked through. */
const fewUsers = 16
/** Lists of users of a bucket up to this length are kept without spare room. */
const shortList = 32

/**
 * The users of one tenant at a gateway, by the buckets of their conversations. Small sets are indexed by bucket once look-ups are
 * frequent; users with more than 4,096 buckets, or unknown ones, are looked through one by one.
 */
export class Interest<U extends InterestedUser> {
  readonly #users = new Set<U>()
  /** Users that the index does not have. */
  readonly #unindexed = new Set<U>()
  #index: Map<number, U[]> | undefined
  #lookups = 0

  get users(): ReadonlySet<U> {
    return this.#users
  }

  add(user: U): void {
    this.#users.add(user)
    if (this.#index !== undefined) this.#enter(this.#index, user)
  }

  /** A user that was added has one more bucket. */
  bucketAdded(user: U, bucket: number): void {
    if (this.#index !== undefined && !this.#unindexed.has(user)) enterBucket(this.#index, bucket, user)
  }

  delete(user: U): void {
    this.#users.delete(user)
    if (this.#index === undefined || this.#unindexed.delete(user)) return
    for (const bucket of user.buckets ?? []) leaveBucket(this.#index, bucket, user)
    if (this.#users.size === 0) this.#index = undefined
  }

  /** The users that may have a conversation of this bucket. */
  of(bucket: number): readonly U[] {
    this.#lookups++
    if (this.#index === undefined && this.#users.size > fewUsers && this.#lookups > lookupsBeforeIndex) this.#build()
    if (this.#index === undefined) return [...this.#users].filter((user) => mayHave(user, bucket))
    const found = this.#index.get(bucket) ?? []
    if (this.#unindexed.size === 0) return [...found]
    return [...found, ...[...this.#unindexed].filter((user) => mayHave(user, bucket))]
  }

  #build(): void {
    this.#index = new Map()
    for (const user of this.#users) this.#enter(this.#index, user)
  }

  #enter(index: Map<number, U[]>, user: U): void {
    if (user.buckets === undefined || user.buckets.isLarge) this.#unindexed.add(user)
    else for (const bucket of user.buckets) enterBucket(index, bucket, user)
  }
}

const mayHave = ({ buckets }: InterestedUser, bucket: number): boolean => buckets?.has(bucket) ?? true

function enterBucket<U>(index: Map<number, U[]>, bucket: number, user: U): void {
  const users = index.get(bucket)
  if (users === undefined) index.set(bucket, [user])
  else if (users.length >= shortList) users.push(user)
  else index.set(bucket, users.concat([user]))
}

function leaveBucket<U>(index: Map<number, U[]>, bucket: number, user: U): void {
  const users = index.get(bucket) ?? []
  const place = users.indexOf(user)
  const last = users.at(-1)
  if (place < 0 || last === undefined) return
  users[place] = last
  users.pop()
  if (users.length === 0) index.delete(bucket)
}
