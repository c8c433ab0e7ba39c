import { carried, carriedBytes } from './carried.ts'
import { badJson, GivenJson } from './given-json.ts'

/** Data of a Protobuf command that is no JSON text in UTF-8. */
export class GivenBytes {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** Bytes as JSON text in UTF-8, or as data that the server does not read. */
export function givenIn(bytes: Uint8Array): GivenJson | GivenBytes {
  try {
    const text = utf8.decode(bytes)
    return new GivenJson(JSON.parse(text), text)
  } catch {
    return new GivenBytes(bytes)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The same of bytes in base64; undefined when the text is not base64. */
export function givenInBase64(text: string): GivenJson | GivenBytes | undefined {
  try {
    return givenIn(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)))
  } catch {
    return undefined
  }
}

/** Data as a publication carries it, or why it is not accepted: it may have `bytes`. */
export function carry(
  given: GivenJson | GivenBytes,
  bytes: number,
): { readonly data: string } | { readonly bad: string } {
  if (given instanceof GivenBytes)
    return given.bytes.byteLength > bytes ? { bad: `at most ${bytes} bytes` } : { data: carriedBytes(given.bytes) }
  const bad = badJson(given, bytes)
  return bad === undefined ? { data: carried(given.text) } : { bad }
}
