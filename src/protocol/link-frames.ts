import type { Publication } from './replies.ts'
import type { StreamAnswer, StreamResult } from './stream.ts'

/** A gateway that reads lists opens its link with this header; one of an earlier version does not. */
export const linkListsHeader = 'X-Link-Lists'

/** What many results of an answer may share is a list: a result has its place in `lists`. */
type SharedLists = readonly (readonly Publication[])[]

/**
 * The encoding of an answer on a link: a line of JSON, then the data of each publication and of each `done`, which is
 * JSON text already, on a line of its own. Quoted within the JSON it would be escaped and parsed again letter by
 * letter. JSON text as we write it holds no line break. With `hasLists`, publications that several subscribers of one
 * call have missed are written once.
 */
export function encodeAnswer({ update, behind, results }: StreamAnswer, hasLists = false): string {
  const lines = ['']
  const withoutData = (publications: readonly Publication[]) =>
    publications.map((publication) => {
      lines.push(publication.data)
      return { ...publication, data: undefined }
    })
  const publications = withoutData(update.publications)
  const rest = results.map((result) => {
    if (result.kind !== 'done') return result
    lines.push(result.data)
    return { kind: 'done' }
  })
  const lists = hasLists ? listsOf(results) : []
  const head = { update: { ...update, publications }, behind, results: rest }
  lines[0] = JSON.stringify(
    lists.length === 0
      ? head
      : {
          ...head,
          results: rest.map((result) =>
            'publications' in result ? { ...result, publications: lists.indexOf(result.publications) } : result,
          ),
          lists: lists.map(withoutData),
        },
  )
  return lines.join('\n')
}

const listsOf = (results: readonly StreamResult[]): SharedLists => [
  ...new Set(results.flatMap((result) => (result.kind === 'subscribed' ? [result.publications] : []))),
]

/** Reads what `encodeAnswer` wrote; throws when a line is missing or surplus, or when the stream reports a failure. */
export function decodeAnswer(text: string): StreamAnswer {
  const lines = text.split('\n')
  const head: (StreamAnswer & { readonly lists?: SharedLists }) | { readonly failed: string } = JSON.parse(
    lines[0] ?? '',
  )
  if ('failed' in head) throw new Error(head.failed)
  let at = 1
  const next = () => lines[at++] ?? ''
  const withData = (publications: readonly Publication[]) =>
    publications.map((publication) => ({ ...publication, data: next() }))
  const publications = withData(head.update.publications)
  const results = head.results.map((result): StreamResult =>
    result.kind === 'done' ? { kind: 'done', data: next() } : result,
  )
  const lists = head.lists?.map(withData)
  if (at !== lines.length) throw new Error(`an answer of ${lines.length} lines where ${at} were announced`)
  return {
    update: { ...head.update, publications },
    behind: head.behind,
    results: lists === undefined ? results : results.map((result) => withList(result, lists)),
  }
}

/** A result with the list whose place it has. */
function withList(result: StreamResult, lists: SharedLists): StreamResult {
  return result.kind === 'subscribed' ? { ...result, publications: lists[Number(result.publications)] ?? [] } : result
}

/** Reports that the call failed, for whatever reason. */
export const encodeFailure = (reason: string): string => JSON.stringify({ failed: reason })
