import { constants, inflateRawSync } from 'node:zlib'

/** What every browser offers in its handshake. */
export const browserOffer = 'permessage-deflate; client_max_window_bits'

const tail = Buffer.from([0x00, 0x00, 0xff, 0xff])
const windowBytes = 32 * 1024

/**
 * Undoes permessage-deflate (RFC 7692) for one socket. A message may refer back to the ones before it, so the last
 * 32 KiB are kept as the dictionary of the next. Slow next to a streaming inflater, but synchronous and short; targets
 * worth measuring do not compress small frames at all.
 */
export function messageInflater(): (payload: Buffer) => Buffer {
  let window: Buffer = Buffer.alloc(0)
  return (payload) => {
    const message = inflateRawSync(Buffer.concat([payload, tail]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(window.length > 0 && { dictionary: window }),
    })
    window = Buffer.concat([window, message]).subarray(-windowBytes)
    return message
  }
}
