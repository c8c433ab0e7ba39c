import { badSchema, isSchemaObject, resolve, type Schema } from '../../kernel/json-schema/schema.ts'
import { isDeeper } from '../../kernel/json.ts'
import { isLonger } from '../../kernel/text.ts'
import {
  BadTemplate,
  parseTemplate,
  partialsOf,
  renderTemplate,
  variablesOf,
  type Escaping,
  type PartialTexts,
} from './engine.ts'
import { inBestLocale, type ChannelContent, type Partials, type TemplateDefinition } from './template.ts'

/** Bytes of a schema as JSON text, at most. */
const schemaBytes = 32_768
/** Partials that one template may use, those of partials included. */
export const maxPartials = 50

/** What templates may name, beside variables of their own. */
export const roots = ['recipient', 'actor', 'data', 'events', 'total', 'steps', 'state', 'notification'] as const

/** Members of `recipient` and `actor`. */
export const profileFields = ['id', 'name', 'avatar', 'email', 'phone', 'locale', 'zone', 'properties'] as const

/** One text of a template, and where it stands in the definition. */
export interface TemplateText {
  readonly at: string
  readonly text: string
  readonly escaping: Escaping
  readonly locale: string
}

/** All texts of a definition. A partial is checked both ways: in the HTML of an e-mail its values are escaped, elsewhere not. */
export function textsOf(definition: TemplateDefinition): TemplateText[] {
  if (definition.kind === 'partial')
    return Object.entries(definition.locales).flatMap(([locale, text]) =>
      (['html', 'text'] as const).map((escaping) => ({ at: `locales.${locale}`, text, escaping, locale })),
    )
  return Object.entries(definition.locales).flatMap(([locale, channels]) =>
    Object.entries(channels).flatMap(([channel, content]) =>
      content === undefined ? [] : textsOfContent(content, `locales.${locale}.${channel}`, locale),
    ),
  )
}

export function textsOfContent(content: ChannelContent, at: string, locale: string): TemplateText[] {
  const { title, body, html, url, actions = [] } = content
  const texts = [
    ...Object.entries({ title, body, url }).map(([field, text]) => ({ field, text, escaping: 'text' as const })),
    { field: 'html', text: html, escaping: 'html' as const },
    ...actions.flatMap(({ label, url: to }, index) => [
      { field: `actions.${index}.label`, text: label, escaping: 'text' as const },
      { field: `actions.${index}.url`, text: to, escaping: 'text' as const },
    ]),
  ]
  return texts.flatMap(({ field, text, escaping }) =>
    text === undefined ? [] : [{ at: `${at}.${field}`, text, escaping, locale }],
  )
}

/** The partials that a definition uses itself, by name. Throws BadTemplate, whose message names the field. */
export function usedPartials(definition: TemplateDefinition): ReadonlySet<string> {
  const names = textsOf(definition).flatMap(({ at, text, escaping }) =>
    named(at, () => [...partialsOf(text, escaping)]),
  )
  return new Set(names)
}

/**
 * Why a definition is refused, or undefined. `partials` are all that it uses, directly or by another: those that are missing
 * are an error. A text is rendered once with made-up data, so that one that would not end is refused here and not when it is
 * sent.
 */
export function badTemplate(name: string, definition: TemplateDefinition, partials: Partials): string | undefined {
  try {
    const schema = definition.kind === 'message' ? definition.schema : undefined
    const bad = schema === undefined ? undefined : checkSchema(schema)
    if (bad !== undefined) return bad
    if (!Object.hasOwn(definition.locales, definition.locale))
      return `locales: has nothing for "${definition.locale}", the locale of all others`
    const used = usedPartials(definition)
    const missing = missingPartial(name, definition, partials, used)
    if (missing !== undefined) return missing
    for (const each of textsOf(definition)) named(each.at, () => checkText(each, schema, partials))
    return undefined
  } catch (thrown) {
    if (thrown instanceof BadTemplate) return thrown.message
    throw thrown
  }
}

function checkSchema(schema: unknown): string | undefined {
  if (isLonger(JSON.stringify(schema), schemaBytes)) return `schema: at most ${schemaBytes} bytes of JSON`
  return badSchema(schema)
}

/** Looks for partials that are not there, for too many, and for a way back to where it began. */
function missingPartial(
  name: string,
  definition: TemplateDefinition,
  partials: Partials,
  used: ReadonlySet<string>,
): string | undefined {
  const own = definition.kind === 'partial' ? { ...partials, [name]: definition } : partials
  const uses = new Map<string, ReadonlySet<string>>()
  const usesOf = (partial: string): ReadonlySet<string> | undefined => {
    const known = uses.get(partial)
    if (known !== undefined) return known
    const found = Object.hasOwn(own, partial) ? own[partial] : undefined
    const names = found === undefined ? undefined : usedPartials(found)
    if (names !== undefined) uses.set(partial, names)
    return names
  }
  const path: string[] = definition.kind === 'partial' ? [name] : []
  const done = new Set<string>()
  const walk = (partial: string): string | undefined => {
    if (path.includes(partial)) return `${[...path, partial].join(' → ')}: a partial that uses itself has no end`
    if (done.has(partial)) return undefined
    if (done.size >= maxPartials) return `at most ${maxPartials} partials`
    const names = usesOf(partial)
    if (names === undefined)
      return `there is no partial "${partial}"; PUT /v1/templates/${partial} with "kind": "partial" registers one`
    path.push(partial)
    for (const next of names) {
      const bad = walk(next)
      if (bad !== undefined) return bad
    }
    path.pop()
    done.add(partial)
    return undefined
  }
  for (const partial of used) {
    const bad = walk(partial)
    if (bad !== undefined) return bad
  }
  return undefined
}

/** The texts of partials in one locale. One without a text for it has that of its own fallback. */
export function partialTexts(partials: Partials, locale: string | undefined): PartialTexts {
  const texts = new Map<string, string>()
  for (const [name, partial] of Object.entries(partials)) {
    const found = inBestLocale(partial.locales, locale, partial.locale, (text) => text)
    if (found !== undefined) texts.set(name, found.value)
  }
  return texts
}

function checkText({ text, escaping, locale }: TemplateText, schema: unknown, partials: Partials): void {
  parseTemplate(text, escaping)
  const texts = partialTexts(partials, locale)
  for (const path of variablesOf(text, escaping, texts)) {
    const bad = badVariable(path, schema)
    if (bad !== undefined) throw new BadTemplate(bad)
  }
  renderTemplate(text, escaping, sampleDocument(schema), texts, true)
}

/** Why a variable cannot be there, or undefined. */
function badVariable(path: readonly string[], schema: unknown): string | undefined {
  const [root, ...rest] = path
  if (root === undefined) return undefined
  if (!roots.some((known) => known === root))
    return `${path.join('.')}: there is no such variable; there are ${roots.join(', ')}`
  const [field] = rest
  if (
    field !== undefined &&
    (root === 'recipient' || root === 'actor') &&
    !profileFields.some((known) => known === field)
  )
    return `${path.join('.')}: a profile has ${profileFields.join(', ')}`
  if (root === 'data' && schema !== undefined && !declares(schema, rest))
    return `${path.join('.')}: the schema declares no such property`
  return undefined
}

/** Whether data of a schema can be expected to have this property: it, or one that is composed with it, names it. */
function declares(root: unknown, path: readonly string[]): boolean {
  let at: readonly Schema[] = [asSchema(root)]
  for (const name of path) {
    const next = at
      .flatMap((schema) => alternatives(schema, asSchema(root), 0))
      .flatMap((schema) => propertyOf(schema, name))
    if (next.length === 0) return false
    at = next
  }
  return true
}

const asSchema = (value: unknown): Schema => (typeof value === 'boolean' || isSchemaObject(value) ? value : true)

/** A schema and those it is composed of. */
function alternatives(given: Schema, root: Schema, depth: number): Schema[] {
  const schema = resolve(given, root)
  if (!isSchemaObject(schema) || depth > 8) return [schema]
  const parts = ['allOf', 'anyOf', 'oneOf'].flatMap((keyword) => {
    const list: unknown = schema[keyword]
    return Array.isArray(list) ? list.map(asSchema) : []
  })
  const branches = ['then', 'else'].flatMap((keyword) =>
    schema[keyword] === undefined ? [] : [asSchema(schema[keyword])],
  )
  return [schema, ...[...parts, ...branches].flatMap((part) => alternatives(part, root, depth + 1))]
}

/** What a schema says of a property. Lists and texts have these of Liquid itself. */
function propertyOf(schema: Schema, name: string): Schema[] {
  if (schema === true) return [true]
  if (!isSchemaObject(schema)) return []
  const properties: unknown = schema['properties']
  if (isSchemaObject(properties) && Object.hasOwn(properties, name)) return [asSchema(properties[name])]
  if (name === 'size') return [true]
  if ((name === 'first' || name === 'last') && schema['items'] !== undefined) return [asSchema(schema['items'])]
  // `additionalProperties` with a schema is a map whose names are not known before.
  const further: unknown = schema['additionalProperties']
  if (isSchemaObject(further)) return [further]
  return Object.keys(schema).some((keyword) => keyword !== 'title' && keyword !== 'description') ? [] : [true]
}

/** A document with made-up data of a schema. */
function sampleDocument(schema: unknown): object {
  const profile = { id: 'sample', name: 'Sample', email: 'sample@example.com', locale: 'en', properties: {} }
  const data = schema === undefined ? {} : sampleOf(asSchema(schema), asSchema(schema), 0)
  return {
    recipient: profile,
    actor: profile,
    data,
    events: [{ id: 'sample', at: 0, actor: 'sample', data }],
    total: 1,
    steps: {},
    state: { isSeen: false, isRead: false, isInteracted: false },
    notification: {},
  }
}

function sampleOf(given: Schema, root: Schema, depth: number): unknown {
  const schema = resolve(given, root)
  if (!isSchemaObject(schema) || depth > 6) return 'sample'
  if ('const' in schema) return schema['const']
  if (Array.isArray(schema['enum'])) return schema['enum'][0]
  const composed = ['anyOf', 'oneOf', 'allOf'].map((keyword) => schema[keyword]).find(Array.isArray)
  const type = Array.isArray(schema['type']) ? schema['type'][0] : schema['type']
  if (type === 'object' || isSchemaObject(schema['properties'])) {
    const properties = isSchemaObject(schema['properties']) ? schema['properties'] : {}
    return Object.fromEntries(
      Object.entries(properties).map(([name, each]) => [name, sampleOf(asSchema(each), root, depth + 1)]),
    )
  }
  if (type === 'array' || schema['items'] !== undefined)
    return [sampleOf(asSchema(schema['items'] ?? true), root, depth + 1)]
  if (type === 'integer' || type === 'number') return 1
  if (type === 'boolean') return true
  if (type === 'null') return null
  return composed === undefined ? 'sample' : sampleOf(asSchema(composed[0]), root, depth + 1)
}

function named<T>(at: string, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    if (thrown instanceof BadTemplate) throw new BadTemplate(`${at}: ${thrown.message}`)
    throw thrown
  }
}

/** Whether data is too deep for templates, which walk it by recursion. */
export const isTooDeep = (data: unknown): boolean => isDeeper(data, 32)
