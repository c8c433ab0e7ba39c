/** The longest body that is read where nothing of it is wanted. */
const droppedBytes = 16_384

/**
 * Drops the body of an answer. A short one of known length is read to its end, so that the connection can be used for the next call;
 * cancelling it would close the connection. Never rejects.
 */
export async function dropBody({ headers, body }: Response): Promise<void> {
  if (body === null) return
  const length = Number(headers.get('content-length') ?? NaN)
  try {
    let left = length <= droppedBytes ? droppedBytes : 0
    if (left === 0) await body.cancel()
    // The length of a compressed body says little of what is read. Leaving the loop cancels the rest.
    else for await (const { byteLength } of body) if ((left -= byteLength) < 0) break
  } catch {
    // Its status counts, also when the rest does not come in time.
  }
}
