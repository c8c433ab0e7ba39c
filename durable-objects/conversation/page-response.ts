import { encodeMessagePage, pageEtag } from '../../src/history/message-page.ts'
import { namesEtag } from '../../src/kernel/etag.ts'
import { knownPage, otherAnswer, wholePage } from '../../src/protocol/page-request.ts'
import type { HistoryAnswer, HistoryQuery } from '../../src/protocol/stream.ts'

/**
 * The answer to a page request: the body of the HTTP answer, or what `history` returned when the page is refused or has entries
 * that the conversation does not hold.
 */
export function pageResponse(page: HistoryAnswer, query: HistoryQuery, ifNoneMatch: string | undefined): Response {
  if (page.kind === 'refused' || page.missing !== undefined)
    return new Response(JSON.stringify(page), { status: otherAnswer })
  const headers = { ETag: pageEtag(page) }
  return namesEtag(ifNoneMatch, headers.ETag)
    ? new Response(null, { status: knownPage, headers })
    : new Response(encodeMessagePage(page, query), { status: wholePage, headers })
}
