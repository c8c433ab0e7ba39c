/*
 * How a publication's data is stored and passed on: as JSON text on one line, since line breaks separate what is written
 * to JSON connections. Nearly all data is such text already and is carried as it is. Other data has white space in front
 * of it, which means nothing in JSON, and which no plain data begins with:
 *
 * - a blank: JSON with line breaks, or with white space around it. Its line breaks are spelled with tabs and blanks, so
 *   that JSON subscribers read the same value and Protobuf subscribers are given the bytes that came.
 * - a tab: bytes that are not JSON, as `{"b64data":"…"}`, which is also what JSON subscribers are given.
 */

const respelled = ' '
const notJson = '\t'
const opening = `${notJson}{"b64data":"`
const closing = '"}'

/** JSON text as it is carried. */
export function carried(text: string): string {
  const isPlain = !text.includes('\n') && !text.includes('\r') && !isBlank(text, 0) && !isBlank(text, text.length - 1)
  return isPlain ? text : `${respelled}${text.replaceAll(/[\t\n\r]/g, (mark) => spellings[mark] ?? mark)}`
}

/** Bytes that are not JSON as they are carried. */
export function carriedBytes(bytes: Uint8Array): string {
  const characters = Array.from(bytes, (byte) => String.fromCharCode(byte))
  return `${opening}${btoa(characters.join(''))}${closing}`
}

/** The bytes for Protobuf subscribers; a text stands for its UTF-8. */
export function uncarried(data: string): string | Uint8Array {
  if (data.startsWith(respelled))
    return data.slice(1).replaceAll(/\t(?: |\t[ \t])/g, (spelling) => marks[spelling] ?? '')
  if (!data.startsWith(notJson)) return data
  return Uint8Array.from(atob(data.slice(opening.length, -closing.length)), (character) => character.charCodeAt(0))
}

/** JSON text on one line and without tabs, as it stands within an entry of the server's own. In JSON both are only white space. */
export const onOneLine = (text: string): string => (/[\t\n\r]/.test(text) ? text.replaceAll(/[\t\n\r]/g, ' ') : text)

const spellings: Readonly<Record<string, string>> = { '\n': '\t ', '\r': '\t\t ', '\t': '\t\t\t' }
const marks = Object.fromEntries(Object.entries(spellings).map(([mark, spelling]) => [spelling, mark]))

const isBlank = (text: string, at: number): boolean => text.charCodeAt(at) === 0x20 || text.charCodeAt(at) === 0x09
