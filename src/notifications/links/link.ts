import type { Category } from '../model.ts'
import { readToken, signToken, tenantOfLink } from '../../kernel/signed-token.ts'

/** What a link in a message lets its reader do: change their own preferences, and switch off what it names at once. */
export interface PreferenceLink {
  readonly tenant: string
  readonly user: string
  /** What unsubscribing switches off; e-mail as a whole without category and workflow. */
  readonly category?: string | undefined
  readonly workflow?: string | undefined
}

/** The token of a link. It has no end, since links in old mails have to go on working. */
export const signLink = (secret: string, { tenant, user, category, workflow }: PreferenceLink): Promise<string> =>
  signToken(secret, '', tenant, { u: user, c: category, w: workflow })

/** What a token is for; undefined unless it was signed with this secret. */
export async function readLink(secret: string, token: string): Promise<PreferenceLink | undefined> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- signed by this system
  const read = (await readToken(secret, '', token)) as { u: string; c?: string; w?: string } | undefined
  return read === undefined
    ? undefined
    : { tenant: tenantOfLink(token), user: read.u, category: read.c, workflow: read.w }
}

/** Where the page of preferences and the one-click address of a token are. */
export const linkUrls = (publicUrl: string, token: string) => ({
  preferences: `${publicUrl}/preferences/${token}`,
  unsubscribe: `${publicUrl}/unsubscribe/${token}`,
})

/**
 * Headers of an e-mail by which mail programs unsubscribe with one click (RFC 2369, RFC 8058). None for a mandatory category, which cannot
 * be switched off. Both headers have to be covered by the DKIM signature, which providers see to.
 */
export function unsubscribeHeaders(
  publicUrl: string,
  token: string,
  category: Category | undefined,
): Readonly<Record<string, string>> {
  if (category?.isMandatory === true) return {}
  return {
    'List-Unsubscribe': `<${linkUrls(publicUrl, token).unsubscribe}>`,
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  }
}
