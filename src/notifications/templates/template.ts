import type { Channel } from '../model.ts'

/** What a template says on one channel. All texts are Liquid templates; `html` escapes the values it inserts. */
export interface ChannelContent {
  /** Subject of an e-mail, title of a push. */
  readonly title?: string | undefined
  /** Without it the text of an e-mail is made from `html`. */
  readonly body?: string | undefined
  readonly html?: string | undefined
  readonly url?: string | undefined
  readonly actions?:
    | readonly { readonly id: string; readonly label: string; readonly url?: string | undefined }[]
    | undefined
}

/** Content for each channel; `all` holds for channels that are not named. */
export type LocaleContent = Readonly<Partial<Record<Channel | 'all', ChannelContent | undefined>>>

/** A message in several locales. */
export interface MessageTemplate {
  readonly kind: 'message'
  /** The locale of recipients whose own has no content. */
  readonly locale: string
  /** JSON Schema of the data. */
  readonly schema?: unknown
  readonly locales: Readonly<Record<string, LocaleContent>>
}

/** A part of other templates: `{% render "name" %}` inserts it, `{% layout "name" %}` puts a template's blocks in it. */
export interface PartialTemplate {
  readonly kind: 'partial'
  readonly locale: string
  readonly locales: Readonly<Record<string, string>>
}

export type TemplateDefinition = MessageTemplate | PartialTemplate

/** Partials by name, each in its locales. */
export type Partials = Readonly<Record<string, PartialTemplate>>

/** A version of a template as the catalog hands it out; `definition` is JSON, since a schema can be anything. */
export interface StoredTemplate {
  readonly name: string
  readonly version: number
  readonly definition: string
  readonly createdAt: number
}

/** The definition of a stored template. */
export const definitionOf = ({ definition }: StoredTemplate): TemplateDefinition =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it was checked before it was stored
  JSON.parse(definition) as TemplateDefinition

/** What is sent: content without anything left to fill in. */
export interface RenderedContent {
  readonly title?: string | undefined
  readonly body: string
  readonly html?: string | undefined
  readonly url?: string | undefined
  readonly actions?:
    | readonly { readonly id: string; readonly label: string; readonly url?: string | undefined }[]
    | undefined
}

/** The locales to look for, the best first: the wanted one, what is left of it without its last parts (RFC 4647 §3.4), the fallback's. */
export function localeChain(wanted: string | undefined, fallback: string): string[] {
  return [...new Set([...shortened(wanted), ...shortened(fallback)])]
}

function shortened(locale: string | undefined): string[] {
  const chain: string[] = []
  let parts = locale?.split('-') ?? []
  while (parts.length > 0) {
    chain.push(parts.join('-').toLowerCase())
    parts = parts.slice(0, -1)
    // A single letter begins an extension and says nothing alone.
    if (parts.at(-1)?.length === 1) parts = parts.slice(0, -1)
  }
  return chain
}

/** What one of `locales` says, in the best locale for which `choose` finds anything. */
export function inBestLocale<T, R>(
  locales: Readonly<Record<string, T>>,
  wanted: string | undefined,
  fallback: string,
  choose: (text: T) => R | undefined,
): { readonly locale: string; readonly value: R } | undefined {
  const byLowerCase = new Map(Object.keys(locales).map((locale) => [locale.toLowerCase(), locale]))
  for (const each of localeChain(wanted, fallback)) {
    const locale = byLowerCase.get(each)
    const given = locale === undefined ? undefined : locales[locale]
    const value = given === undefined ? undefined : choose(given)
    if (locale !== undefined && value !== undefined) return { locale, value }
  }
  return undefined
}
