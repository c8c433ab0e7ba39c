/** What becomes of the messages of an erased user: their content is deleted, or they stay under the pseudonym. */
export type MessagesOfErased = 'delete' | 'keep-anonymous'

/** A user that is erased, and what stands in the place of the user's id from then on. */
export interface ErasedUser {
  readonly user: string
  /** A random name, the same in all stores, which nothing connects with the user once the erasure is over. */
  readonly pseudonym: string
  readonly messages: MessagesOfErased
}

/** What lists of conversations show of one. */
interface Shown {
  readonly preview: { readonly user: string; readonly text: string } | null
  readonly members: readonly string[]
}

/** The same without the user; undefined when the user is not in it. */
export function shownWithout<T extends Shown>(shown: T, { user, pseudonym, messages }: ErasedUser): T | undefined {
  const { preview, members } = shown
  const isAuthor = preview?.user === user
  if (!isAuthor && !members.includes(user)) return undefined
  const kept = isAuthor && messages === 'keep-anonymous' ? { ...preview, user: pseudonym } : null
  return { ...shown, preview: isAuthor ? kept : preview, members: members.filter((member) => member !== user) }
}

/** The id as it stands in JSON text: what is looked for in texts that are not parsed. */
export const inJson = (user: string): string => JSON.stringify(user)
