import guides from '../../../web/dist/guides.js'

/** A page of docs/ as it is served at `/docs/guides/<name>` and, as Markdown, at `/docs/guides/<name>.md`. */
export interface Guide {
  readonly name: string
  readonly title: string
  readonly summary: string
  /** The text, unpacked. Its links lead to pages; see `toMarkdown`. */
  readonly markdown: () => Promise<string>
}

/** All guides by their names. */
export const guidesByName: ReadonlyMap<string, Guide> = new Map(
  guides.map(({ name, title, summary, gzip }) => [name, { name, title, summary, markdown: () => unpacked(gzip) }]),
)

async function unpacked(gzip: string): Promise<string> {
  const bytes = Uint8Array.from(atob(gzip), (character) => character.charCodeAt(0))
  return await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text()
}

/** The text for programs: its links lead to Markdown as well. */
export const toMarkdown = (text: string): string =>
  text.replaceAll(/\]\((\/docs(?:\/(?:guides\/[\w/-]+|realtime|errors))?)(?=[)#])/g, ']($1.md')

const listed = (isListed: (name: string) => boolean, line: (guide: Guide) => string): string =>
  [...guidesByName.values()]
    .filter(({ name }) => isListed(name))
    .map(line)
    .join('\n')

const isAboutDesign = (name: string): boolean => name.includes('/')

/** The list of guides, in Markdown. */
export function guidesPage(): string {
  const line = ({ name, title, summary }: Guide) => `- [${title}](/docs/guides/${name}): ${summary}`
  return `# Guides\n\n${listed((name) => !isAboutDesign(name), line)}\n\n## How it works\n\n${listed(isAboutDesign, line)}\n`
}

/** What a language model reads first: all pages as Markdown, with their addresses (https://llmstxt.org). */
export function llmsText(origin: string): string {
  const line = ({ name, title, summary }: Guide) => `- [${title}](${origin}/docs/guides/${name}.md): ${summary}`
  return `# Parley

> Chat and notifications for other products, at the edge, with many tenants on one deployment. Clients connect over one WebSocket that speaks
> the Centrifuge protocol; servers use an HTTP API. An acknowledged message is durable, in one order for all, and a client that reconnects
> receives exactly what it missed.

## Interfaces

- [HTTP API](${origin}/docs.md): how requests are made, with examples
- [OpenAPI](${origin}/openapi.json): every operation with its fields and errors, as OpenAPI 3.1
- [Realtime](${origin}/docs/realtime.md): methods over the connection, and what clients receive
- [Errors](${origin}/docs/errors.md): every error and close code

## Guides

${listed((name) => !isAboutDesign(name), line)}

## Optional

${listed(isAboutDesign, line)}
`
}
