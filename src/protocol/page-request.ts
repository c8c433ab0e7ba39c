import type { HistoryQuery } from './stream.ts'

/** The caller of a page request. */
interface Reader {
  readonly user: string
  readonly client: string
  readonly server: boolean
}

/** A page of messages that is asked for by `fetch`, as the body of an HTTP answer. */
export interface PageRequest {
  readonly actor: Reader
  readonly query: HistoryQuery
  /** `If-None-Match` of the request, where it has one. */
  readonly ifNoneMatch?: string | undefined
}

const origin = 'http://conversation/'

/** The URL of a page request. An actor's `fetch` costs about half of a method call that returns a page. */
export const pageUrl = (request: PageRequest): string => `${origin}${encodeURIComponent(JSON.stringify(request))}`

/** The page request in a URL made by {@link pageUrl}. */
export const readPageUrl = (url: string): PageRequest => JSON.parse(decodeURIComponent(url.slice(origin.length)))

/** The status of a page that is the whole body of the HTTP answer. Any other answer is a HistoryAnswer, as JSON. */
export const wholePage = 200
/** The status of a page whose ETag the request named. */
export const knownPage = 304
export const otherAnswer = 203
