import { badRequest, notFound } from './refusal.ts'
import type { UrlGroups } from './store/url-groups.ts'

/** One URL a message goes to; the names are set when it stands in a URL group. */
export interface Target {
  url: string
  topicName?: string
  endpointName?: string | undefined
}

/** Turns destinations (a URL, or the name of a URL group) into targets, and refuses those that may not be called. */
export class Destinations {
  readonly #groups: UrlGroups
  readonly #allowed: (url: string) => boolean

  constructor(groups: UrlGroups, allowed: (url: string) => boolean) {
    this.#groups = groups
    this.#allowed = allowed
  }

  /** The targets of a destination; a 400 for a URL that cannot be called, a 404 for a group that does not exist. */
  resolve(destination: string): Target[] {
    if (looksLikeUrl(destination)) this.checkUrl(destination)
    const targets = this.find(destination)
    if (targets === undefined) throw notFound(`URL group ${destination}`)
    return targets
  }

  /** The same without refusals: undefined for a group that does not exist. */
  find(destination: string): Target[] | undefined {
    if (looksLikeUrl(destination)) return [{ url: destination }]
    const group = this.#groups.get(destination)
    return group?.endpoints.map(({ name, url }) => ({ url, topicName: group.name, endpointName: name }))
  }

  /** Throws a 400 unless `url` is http(s) and allowed here. */
  readonly checkUrl = (url: string): void => {
    if (!/^https?:\/\//i.test(url)) {
      throw badRequest(`invalid destination url ${url}: add http:// or https:// in front of it`)
    }
    if (!URL.canParse(url)) throw badRequest(`invalid destination url ${url}`)
    if (!this.#allowed(url)) throw badRequest(`destination url ${url} is not allowed here`)
  }
}

/** Names of groups hold no colon and no slash, so whatever holds one was meant as a URL. */
const looksLikeUrl = (destination: string) => /[:/]/.test(destination)
