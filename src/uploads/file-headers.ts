import type { BlobInfo, BlobRange } from './blob-store.ts'
import { isShownInline } from './file-type.ts'

/**
 * Headers of a file. It is never a document of this origin: scripts in it do not run, and nothing but pictures, sound and video is shown;
 * everything else is saved.
 */
export function fileHeaders({ type, etag }: BlobInfo, name: string, secondsLeft: number): Record<string, string> {
  const shown = isShownInline(type)
  return {
    'Content-Type': shown ? type : 'application/octet-stream',
    'Content-Disposition': `${shown ? 'inline' : 'attachment'}; filename="${asciiOf(name)}"; filename*=UTF-8''${encoded(name)}`,
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'Content-Length, Content-Range, Content-Disposition, ETag',
    'Referrer-Policy': 'no-referrer',
    'X-Robots-Tag': 'noindex',
    'Accept-Ranges': 'bytes',
    'Cache-Control': `private, max-age=${secondsLeft}, immutable`,
    ETag: etag,
  }
}

const asciiOf = (name: string): string => name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_')
const encoded = (name: string): string =>
  encodeURIComponent(name).replaceAll(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

/** The one range of a Range header (RFC 9110 §14); `whole` for none, for several, and for units that are not bytes. */
export function rangeOf(header: string | null, size: number): BlobRange | 'whole' | 'unsatisfiable' {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '') ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return 'whole'
  if (from === '') {
    const length = Math.min(Number(to), size)
    return length === 0 ? 'unsatisfiable' : { offset: size - length, length }
  }
  const offset = Number(from)
  const end = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (offset >= size) return 'unsatisfiable'
  return end < offset ? 'whole' : { offset, length: end - offset + 1 }
}
