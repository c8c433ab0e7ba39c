import { blocksIn, maxBlocks, withoutEnd, type Block } from '../../src/inbox/user-ban.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { listAfterMs } from '../shared/listed-name.ts'
import { UserData } from './user-data.ts'

const bannedKey = 'bannedUntil'
const blocksKey = 'blocks'
/** Has clients of the user read the list again. */
const blocksEvent = '{"type":"blocks"}'

/** What keeps a user out of the tenant, and which users this one blocks. See docs/design/moderation.md. */
export abstract class ModeratedUser extends UserData {
  abstract notify(events: readonly string[]): void

  /**
   * Ends the sessions of the user and refuses all tokens, those issued later too, until `until` in milliseconds since the epoch; null for
   * good. Tokens of before the ban are void afterwards. False for an erased user.
   */
  async ban(until: number | null): Promise<boolean> {
    if (this.erasure() !== undefined) return false
    this.#set(bannedKey, String(until ?? withoutEnd))
    await this.revoke()
    return true
  }

  /** Ends a ban; the user needs a token that was issued after it began. */
  unban(): void {
    const { settings } = this.own()
    if (settings.number(bannedKey) > 0) settings.set(bannedKey, 0)
  }

  /** Blocks a user. The same again changes nothing. */
  block(user: string): Block | Refusal {
    const known = this.blocks()
    const before = known.find((block) => block.user === user)
    if (before !== undefined) return before
    if (this.erasure() !== undefined) return refuse('conflict', 'user: the user is being erased')
    if (known.length >= maxBlocks)
      return refuse('limitExceeded', `blocks: at most ${maxBlocks} users; end the block of one first`)
    const block = { user, at: systemClock.now() }
    this.#set(blocksKey, JSON.stringify([...known, block]))
    this.notify([blocksEvent])
    return block
  }

  /** Ends a block. Returns whether there was one. */
  unblock(user: string): boolean {
    const known = this.blocks()
    const others = known.filter((block) => block.user !== user)
    if (others.length === known.length) return false
    this.own().settings.set(blocksKey, JSON.stringify(others))
    this.notify([blocksEvent])
    return true
  }

  /** The users that this one blocks, the oldest block first. */
  blocks(): readonly Block[] {
    return blocksIn(this.own().settings.get(blocksKey))
  }

  /** Whether this user blocks the other one. */
  blocksUser(user: string): boolean {
    return this.blocks().some((block) => block.user === user)
  }

  override eraseShown(conversation: string, erased: ErasedUser): boolean {
    const isUnblocked = this.unblock(erased.user)
    return super.eraseShown(conversation, erased) || isUnblocked
  }

  override eraseEntries(): number {
    const erased = super.eraseEntries()
    const { settings } = this.own()
    if (this.erasure() === undefined || settings.get(blocksKey) === undefined) return erased
    const blocks = this.blocks().length
    settings.set(blocksKey, '[]')
    settings.set(bannedKey, 0)
    return erased + blocks
  }

  #set(name: string, value: string): void {
    this.own().create()
    this.own().settings.set(name, value)
    // Of a user in no conversation nothing else would tell a deletion of the tenant.
    void this.own().alarm.setAlarm(systemClock.now() + listAfterMs)
  }
}
