import { BoundedMap } from '../../src/kernel/bounded-map.ts'
import type { ContentSource, Workflow } from '../../src/notifications/model.ts'
import { definitionOf, type MessageTemplate, type Partials } from '../../src/notifications/templates/template.ts'
import { planOf } from '../../src/notifications/workflows/plan.ts'
import type { FoundTemplate } from '../notification-contracts.ts'

export type TemplateSource = Extract<ContentSource, { template: unknown }>

/** A template of items with its partials, or why there is none. */
export type LoadedTemplate =
  | { readonly kind: 'template'; readonly message: MessageTemplate; readonly partials: Partials }
  | { readonly kind: 'bad'; readonly reason: string }

/** For how long a template is used without asking the catalog again, in milliseconds. */
const usedForMs = 10_000
const maxKnown = 100

/** The stored templates of items of feeds. A decision uses those that are in memory, since it never waits for the catalog. */
export class FeedTemplates {
  readonly #find: (source: TemplateSource) => Promise<FoundTemplate | undefined>
  readonly #known = new BoundedMap<string, { readonly loaded: LoadedTemplate; readonly until: number }>(maxKnown)
  /** Questions under way: those for the same template are one. */
  readonly #loading = new Map<string, Promise<LoadedTemplate>>()

  constructor(find: (source: TemplateSource) => Promise<FoundTemplate | undefined>) {
    this.#find = find
  }

  /** The template when it is in memory; undefined when it has to be loaded first. */
  known(source: TemplateSource, now: number): LoadedTemplate | undefined {
    const known = this.#known.get(keyOf(source))
    return known !== undefined && now < known.until && known.until - now <= usedForMs ? known.loaded : undefined
  }

  /** Loads the templates of all items of a workflow that are not in memory. */
  async loadFor(workflow: Workflow, now: number): Promise<void> {
    const sources = [...planOf(workflow).steps.values()].flatMap(({ step }) =>
      step.kind === 'channel' && step.channel === 'in-app' && 'template' in step.source ? [step.source] : [],
    )
    const missing = sources.filter((source) => this.known(source, now) === undefined)
    if (missing.length > 0) await Promise.all(missing.map((source) => this.load(source, now)))
  }

  /** Asks the catalog. A template that is not there is asked for again the next time. */
  async load(source: TemplateSource, now: number): Promise<LoadedTemplate> {
    const key = keyOf(source)
    const underWay = this.#loading.get(key)
    if (underWay !== undefined) return await underWay
    const asked = this.#find(source).then((found) => loadedFrom(source, found))
    this.#loading.set(key, asked)
    try {
      const loaded = await asked
      if (loaded.kind === 'template') this.#known.set(key, { loaded, until: now + usedForMs })
      return loaded
    } finally {
      this.#loading.delete(key)
    }
  }
}

function loadedFrom({ template: name }: TemplateSource, found: FoundTemplate | undefined): LoadedTemplate {
  if (found === undefined) return { kind: 'bad', reason: `there is no template ${name}` }
  const message = definitionOf(found.template)
  if (message.kind !== 'message') return { kind: 'bad', reason: `${name} is a partial and no message` }
  return { kind: 'template', message, partials: found.partials }
}

const keyOf = ({ template, version }: TemplateSource): string => `${template} ${version ?? ''}`
