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
    if (length <= droppedBytes) await new Response(body).arrayBuffer()
    else await body.cancel()
  } catch {
    // Its status counts, also when the rest does not come in time.
  }
}
