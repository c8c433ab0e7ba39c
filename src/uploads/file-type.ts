import { imageSize } from 'image-size'
import { filetypeinfo } from 'magic-bytes.js'

/** How much of a file is looked at, from its beginning. */
export const sniffedBytes = 65_536

/** What the bytes of a file say of its type. */
export type Sniffed =
  | { readonly kind: 'agrees'; readonly width?: number; readonly height?: number }
  | { readonly kind: 'lies'; readonly found: string }

/** Other names of the same types. */
const sameTypes: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'image/pjpeg': 'image/jpeg',
  'image/x-ms-bmp': 'image/bmp',
  'image/x-icon': 'image/vnd.microsoft.icon',
  'audio/mp3': 'audio/mpeg',
  'audio/x-wav': 'audio/wav',
  'audio/wave': 'audio/wav',
  'audio/vnd.wave': 'audio/wav',
  'audio/x-m4a': 'audio/mp4',
  'video/x-m4v': 'video/mp4',
  'application/x-zip-compressed': 'application/zip',
  'application/x-gzip': 'application/gzip',
  'application/x-pdf': 'application/pdf',
}

const nameOf = (type: string): string => sameTypes[type] ?? type

/** Types that files of others are packed in: a zip may be a document or an e-book. */
const packedIn: readonly { readonly of: RegExp; readonly types: RegExp }[] = [
  {
    of: /^application\/zip$/,
    types:
      /^application\/(?:vnd\.openxmlformats-officedocument\.|vnd\.oasis\.opendocument\.|epub\+zip$|java-archive$|vnd\.android\.package-archive$|x-xpinstall$)/,
  },
  { of: /^application\/(?:x-cfb|x-ole-storage|msword|vnd\.ms-)/, types: /^application\/(?:msword|vnd\.ms-)/ },
  // One container has both, and its beginning does not always say which.
  { of: /^(?:audio|video)\/(?:mp4|quicktime|3gpp)$/, types: /^(?:audio|video)\/(?:mp4|quicktime|3gpp)$/ },
  { of: /^(?:audio|video)\/(?:webm|x-matroska)$/, types: /^(?:audio|video)\/(?:webm|x-matroska)$/ },
  { of: /^(?:audio|video|application)\/ogg$/, types: /^(?:audio|video|application)\/ogg$/ },
  { of: /^(?:application|text)\/xml$/, types: /[/+]xml$/ },
]

/** Types of text have no mark at their beginning. */
const isText = (type: string): boolean =>
  /^text\/|[/+](?:json|xml)$|^application\/(?:javascript|x-ndjson|yaml|toml|x-sh|sql)$/.test(type)

/** Types whose files begin with a mark; a file without it is none of them. */
const isMarked = (type: string): boolean =>
  /^(?:image|audio|video)\//.test(type) || /^application\/(?:pdf|zip|gzip|x-7z-compressed)$/.test(type)

/** Whether the first bytes of a file are of the type that its sender named; of a picture also how large it is. */
export function sniff(type: string, head: Uint8Array): Sniffed {
  const said = nameOf(type)
  // No type at all is claimed, and a browser is never asked to show it.
  if (said === 'application/octet-stream') return { kind: 'agrees' }
  if (isText(said)) return isTextual(head) ? { kind: 'agrees' } : { kind: 'lies', found: foundIn(head)[0] ?? 'bytes' }
  const found = foundIn(head)
  const agrees = found.some((one) => one === said || isPacked(one, said))
  if (!agrees && (found.length > 0 || isMarked(said)))
    return { kind: 'lies', found: found[0] ?? (isTextual(head) ? 'text/plain' : 'bytes of no known type') }
  return { kind: 'agrees', ...(said.startsWith('image/') ? dimensionsOf(head) : {}) }
}

const foundIn = (head: Uint8Array): string[] => [
  ...new Set(filetypeinfo(head).flatMap(({ mime }) => (mime === undefined ? [] : [nameOf(mime)]))),
]

const isPacked = (found: string, said: string): boolean =>
  packedIn.some(({ of, types }) => of.test(found) && types.test(said))

/** Whether the bytes are UTF-8 without control characters; a character that the end cuts off is no fault. */
function isTextual(head: Uint8Array): boolean {
  if (head.some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27))) return false
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(head, { stream: true })
    return true
  } catch {
    return false
  }
}

/** The width and height of a picture, turned as it is shown; nothing where its beginning does not say. */
function dimensionsOf(head: Uint8Array): { readonly width?: number; readonly height?: number } {
  try {
    const { width, height, orientation = 1 } = imageSize(head)
    if (!(width > 0 && height > 0 && Number.isInteger(width) && Number.isInteger(height))) return {}
    // From 5 on the picture lies on its side (EXIF).
    return orientation >= 5 ? { width: height, height: width } : { width, height }
  } catch {
    return {}
  }
}

/** Types that a browser shows inside a page and does not execute. All others are saved as files. */
export const isShownInline = (type: string): boolean =>
  /^(?:image\/(?:png|jpeg|gif|webp|avif|bmp)|audio\/(?:mpeg|mp4|ogg|webm|wav|aac|flac)|video\/(?:mp4|webm|ogg|quicktime))$/.test(
    nameOf(type),
  )

/** Whether a type is among those that a tenant allows. */
export const isAllowed = (type: string, allowed: readonly string[]): boolean =>
  allowed.some((one) => one === type || (one.endsWith('/*') && type.startsWith(one.slice(0, -1))))
