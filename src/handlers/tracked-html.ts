import { decodedEntities } from '../notifications/templates/html-to-text.ts'
import { maxTrackedLinks, trackableUrl, trackedUrl } from '../notifications/links/tracking.ts'
import type { Tracking } from '../notifications/model.ts'

interface TrackedMessage {
  readonly publicUrl: string
  readonly secret: string
  readonly tenant: string
  readonly delivery: string
  readonly tracking: Tracking
}

/** The HTML of an e-mail whose links lead by way of this system, with a picture at its end by which it is known to have been opened. */
export async function trackedHtml(
  html: string,
  { publicUrl, secret, tenant, delivery, tracking }: TrackedMessage,
): Promise<string> {
  const known = new Map<string, Promise<string>>()
  const rewriter = new HTMLRewriter()
  if (tracking.clicks)
    rewriter.on('a[href], area[href]', {
      async element(element) {
        const url = trackableUrl(decodedEntities(element.getAttribute('href') ?? ''), publicUrl)
        if (url === undefined || (known.size >= maxTrackedLinks && !known.has(url))) return
        const address = known.get(url) ?? trackedUrl(publicUrl, secret, { tenant, delivery, url })
        known.set(url, address)
        element.setAttribute('href', await address)
      },
    })
  const rewritten = await rewriter.transform(new Response(html)).text()
  if (!tracking.opens) return rewritten
  const picture = `<img src="${await trackedUrl(publicUrl, secret, { tenant, delivery })}" width="1" height="1" alt="" style="border:0" />`
  const end = rewritten.search(/<\/body\s*>\s*(?:<\/html\s*>\s*)?$/i)
  return end === -1 ? rewritten + picture : rewritten.slice(0, end) + picture + rewritten.slice(end)
}
