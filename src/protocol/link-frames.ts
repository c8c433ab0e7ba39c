import type { StreamAnswer, StreamResult } from './stream.ts'

/**
 * The encoding of an answer on a link: a line of JSON, then the data of each publication and of each `done`, which is
 * JSON text already, on a line of its own. Quoted within the JSON it would be escaped and parsed again letter by
 * letter. JSON text as we write it holds no line break.
 */
export function encodeAnswer({ update, behind, results }: StreamAnswer): string {
  const lines = ['']
  const publications = update.publications.map((publication) => {
    lines.push(publication.data)
    return { ...publication, data: undefined }
  })
  const rest = results.map((result) => {
    if (result.kind !== 'done') return result
    lines.push(result.data)
    return { kind: 'done' }
  })
  lines[0] = JSON.stringify({ update: { ...update, publications }, behind, results: rest })
  return lines.join('\n')
}

/** Reads what `encodeAnswer` wrote; throws when a line is missing or surplus, or when the stream reports a failure. */
export function decodeAnswer(text: string): StreamAnswer {
  const lines = text.split('\n')
  const head: StreamAnswer | { readonly failed: string } = JSON.parse(lines[0] ?? '')
  if ('failed' in head) throw new Error(head.failed)
  let at = 1
  const next = () => lines[at++] ?? ''
  const publications = head.update.publications.map((publication) => ({ ...publication, data: next() }))
  const results = head.results.map((result): StreamResult =>
    result.kind === 'done' ? { kind: 'done', data: next() } : result,
  )
  if (at !== lines.length) throw new Error(`an answer of ${lines.length} lines where ${at} were announced`)
  return { update: { ...head.update, publications }, behind: head.behind, results }
}

/** Reports that the call failed, for whatever reason. */
export const encodeFailure = (why: string): string => JSON.stringify({ failed: why })
