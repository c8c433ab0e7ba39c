const encoder = new TextEncoder()

/** Length of `text` in UTF-8 bytes, as storage and wire count. */
export const byteLength = (text: string): number => encoder.encode(text).byteLength

/** Whether `text` has more than `bytes` bytes of UTF-8. A UTF-16 unit becomes one to three, so most texts need no counting. */
export const isLonger = (text: string, bytes: number): boolean =>
  text.length > bytes || (text.length * 3 > bytes && byteLength(text) > bytes)

/** Control characters except tab and newline. */
// oxlint-disable-next-line no-control-regex -- finding control characters is the point
export const controls = /[\u0000-\u0008\u000B-\u001F\u007F]/
/** Marks that change the direction of the text after them: embeddings, overrides and isolates, with what ends them. */
const directions = /[\u202A-\u202E\u2066-\u2069]/

/**
 * True when every character is well-formed Unicode, none is a control character, and marks of direction are closed in
 * their line. Overrides are not accepted, closed or not: they show a text in another order than it has.
 */
export const isPlainText = (text: string): boolean =>
  text.isWellFormed() && !controls.test(text) && (!directions.test(text) || strayDirections(text).size === 0)

/** Whether any character of a text can be seen. */
export const isBlank = (text: string): boolean => !/[^\s\p{Default_Ignorable_Code_Point}\p{Cc}\u2800]/u.test(text)

/** Where marks of direction are that override it, or that have no other end in their line. */
export function strayDirections(text: string): ReadonlySet<number> {
  const stray = new Set<number>()
  let open: { readonly at: number; readonly end: string }[] = []
  for (let at = 0; at < text.length; at++) {
    const mark = text.charAt(at)
    if (mark === '\n') {
      for (const each of open) stray.add(each.at)
      open = []
    } else if (mark === '\u202D' || mark === '\u202E') stray.add(at)
    else if (mark === '\u202A' || mark === '\u202B') open.push({ at, end: '\u202C' })
    else if (mark >= '\u2066' && mark <= '\u2068') open.push({ at, end: '\u2069' })
    else if (mark === '\u202C' || mark === '\u2069') {
      if (open.at(-1)?.end === mark) open.pop()
      else stray.add(at)
    }
  }
  for (const each of open) stray.add(each.at)
  return stray
}
