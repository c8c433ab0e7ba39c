import { Interest, type InterestedUser } from '../../../src/activity/interest.ts'
import { UserBuckets } from '../../../src/activity/user-buckets.ts'
import { inboxChannel } from '../../../src/protocol/channels.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { BucketListener } from './bucket-listener.ts'

/** A user with connections at a gateway that are subscribed to their inbox. */
export class ConnectedUser implements InterestedUser {
  readonly tenant: string
  readonly user: string
  readonly channel: string
  readonly sessions = new Set<Session>()
  buckets: UserBuckets | undefined
  /** Since when the user has to be sent what changed, in milliseconds since the epoch; 0 when a call for it is under way or none is needed. */
  missedSince = 0

  constructor(tenant: string, user: string, buckets: UserBuckets | undefined) {
    this.tenant = tenant
    this.user = user
    this.channel = inboxChannel(user)
    this.buckets = buckets
  }

  /** Whether the last connection has closed. */
  get isGone(): boolean {
    return this.sessions.size === 0
  }
}

/** The connected users of one tenant, and the buckets that the gateway listens to for them. */
export class ConnectedTenant {
  readonly users = new Map<string, ConnectedUser>()
  readonly interest = new Interest<ConnectedUser>()
  readonly listener: BucketListener

  /** `newListener` gets what says whether a bucket is still wanted. */
  constructor(newListener: (isWanted: (bucket: number) => boolean) => BucketListener) {
    this.listener = newListener((bucket) => this.interest.of(bucket).length > 0)
  }

  /** Adds a session with its user's buckets; undefined when they did not outlast the gateway's sleep. Returns the user, and whether the buckets changed. */
  join(
    session: Session,
    buckets: Iterable<number> | undefined,
  ): { readonly user: ConnectedUser; readonly isNew: boolean } {
    const { tenant, user: name } = session
    const known = this.users.get(name)
    const user = known ?? new ConnectedUser(tenant, name, buckets === undefined ? undefined : UserBuckets.of(buckets))
    user.sessions.add(session)
    if (known === undefined) {
      this.users.set(name, user)
      this.interest.add(user)
      return { user, isNew: true }
    }
    if (buckets === undefined) return { user, isNew: false }
    return { user, isNew: this.#add(user, buckets) }
  }

  /** The user has a further conversation. Whether its bucket is new. */
  addBucket(user: ConnectedUser, bucket: number): boolean {
    if (user.buckets?.add(bucket) !== true) return false
    this.interest.bucketAdded(user, bucket)
    return true
  }

  /** A session has closed. */
  leave(session: Session): void {
    const user = this.users.get(session.user)
    if (user?.sessions.delete(session) !== true || !user.isGone) return
    this.users.delete(session.user)
    this.interest.delete(user)
  }

  #add(user: ConnectedUser, buckets: Iterable<number>): boolean {
    if (user.buckets !== undefined) {
      let isNew = false
      for (const bucket of buckets) if (this.addBucket(user, bucket)) isNew = true
      return isNew
    }
    this.interest.delete(user)
    user.buckets = UserBuckets.of(buckets)
    this.interest.add(user)
    return true
  }
}
