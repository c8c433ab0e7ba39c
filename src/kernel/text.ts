const encoder = new TextEncoder()

/** Length of `text` in UTF-8 bytes, what storage and wire count. */
export const byteLength = (text: string): number => encoder.encode(text).byteLength

/** Whether `text` has more than `bytes` bytes of UTF-8. A UTF-16 unit becomes one to three, so most texts need no counting. */
export const isLonger = (text: string, bytes: number): boolean =>
  text.length > bytes || (text.length * 3 > bytes && byteLength(text) > bytes)

/** Control characters but tab and newline, and the bidirectional overrides that let a text disguise itself. */
// oxlint-disable-next-line no-control-regex -- finding control characters is the point
const unprintable = /[\u0000-\u0008\u000B-\u001F\u007F\u202A-\u202E\u2066-\u2069]/

/** True when every character is well-formed Unicode and none is a control or bidi-override character. */
export const isPlainText = (text: string): boolean => text.isWellFormed() && !unprintable.test(text)
