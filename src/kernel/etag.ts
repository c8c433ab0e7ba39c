import { sha256 } from './id.ts'

/** A strong ETag of a text: a hash of it, in quotes. */
export const etagOf = async (text: string): Promise<string> => `"${(await sha256(text)).slice(0, 32)}"`

/** Whether `If-None-Match` names an ETag, or any (RFC 9110 §13.1.2: compared without regard to `W/`). */
export function namesEtag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch === etag || ifNoneMatch.trim() === '*') return true
  return ifNoneMatch.split(',').some((each) => each.trim().replace(/^W\//, '') === etag)
}
