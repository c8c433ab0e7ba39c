/** The text of a body; undefined when it is longer than `bytes`, whatever its length is said to be. */
export async function textUpTo({ body }: Response, bytes: number): Promise<string | undefined> {
  if (body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let read = 0
  for await (const chunk of body) {
    read += chunk.byteLength
    if (read > bytes) return undefined
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
