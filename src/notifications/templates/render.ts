import { BoundedMap } from '../../kernel/bounded-map.ts'
import { compileSchema, type Check } from '../../kernel/json-schema/validator.ts'
import { isSchemaObject } from '../../kernel/json-schema/schema.ts'
import type { Channel, ContentSource, Profile, RunDocument } from '../model.ts'
import { isTooDeep, partialTexts, profileFields } from './check.ts'
import { BadTemplate, renderTemplate, variablesOf, type PartialTexts } from './engine.ts'
import { htmlToText } from './html-to-text.ts'
import {
  inBestLocale,
  type ChannelContent,
  type MessageTemplate,
  type Partials,
  type RenderedContent,
} from './template.ts'

/** What a message is rendered from. */
export interface RenderOrder {
  readonly channel: Channel
  readonly locale: string | undefined
  readonly document: RunDocument
  /** The notification itself, for templates that name it. */
  readonly notification?: Readonly<Record<string, string>> | undefined
}

/** Content in the locale that was found. */
export interface Rendering {
  readonly locale: string | undefined
  readonly content: RenderedContent
}

/** Renders a stored template for one recipient on one channel. Throws BadTemplate. */
export function renderStored(template: MessageTemplate, partials: Partials, order: RenderOrder): Rendering {
  const bad = badData(template.schema, order.document.data)
  if (bad !== undefined) throw new BadTemplate(bad)
  const found = inBestLocale(
    template.locales,
    order.locale,
    template.locale,
    (channels) => channels[order.channel] ?? channels.all,
  )
  if (found === undefined) throw new BadTemplate(`locales: the template says nothing on the channel ${order.channel}`)
  return {
    locale: found.locale,
    content: renderContent(found.value, order, partialTexts(partials, order.locale ?? found.locale)),
  }
}

/** Renders content that a workflow or a notification has itself. Throws BadTemplate. */
export const renderOwn = (source: Extract<ContentSource, { content: unknown }>, order: RenderOrder): Rendering => ({
  locale: order.locale,
  content: renderContent(source.content, order, new Map()),
})

/** Variables that have the same value for all recipients of a notification. */
const commonVariables: readonly unknown[] = ['data', 'actor']

/** Whether content becomes the same texts for all recipients of one notification. */
export const isSameForAll = ({ title, body, url, actions = [] }: ChannelContent): boolean =>
  [title, body, url, ...actions.flatMap((action) => [action.label, action.url])].every(
    (text) => text === undefined || isCommon(text),
  )

/** `sample` picks at random, for each recipient anew. */
const isCommon = (text: string): boolean =>
  !text.includes('sample') &&
  variablesOf(text, 'text', new Map()).every(([variable]) => commonVariables.includes(variable))

function renderContent(content: ChannelContent, order: RenderOrder, partials: PartialTexts): RenderedContent {
  if (isTooDeep(order.document)) throw new BadTemplate('data: nested too deep')
  const document = documentOf(order)
  const text = (field: string, template: string | undefined) =>
    template === undefined
      ? undefined
      : rendered(field, () => renderTemplate(template, 'text', document, partials).trim())
  const url = (field: string, template: string | undefined) => {
    const given = text(field, template)
    if (given === undefined || given === '') return undefined
    if (!/^https?:\/\//i.test(given) || !URL.canParse(given))
      throw new BadTemplate(`${field}: not an http or https address`)
    return new URL(given).href
  }
  const htmlTemplate = order.channel === 'email' ? content.html : undefined
  const html =
    htmlTemplate === undefined
      ? undefined
      : rendered('html', () => renderTemplate(htmlTemplate, 'html', document, partials))
  const actions = content.actions?.map(({ id, label, url: to }, index) => ({
    id,
    label: text(`actions.${index}.label`, label) ?? '',
    url: url(`actions.${index}.url`, to),
  }))
  return {
    title: text('title', content.title)
      ?.replaceAll(/[\s\p{Cc}]+/gu, ' ')
      .trim(),
    body: text('body', content.body) ?? (html === undefined ? '' : htmlToText(html)),
    html,
    url: url('url', content.url),
    ...(actions === undefined ? {} : { actions }),
  }
}

function rendered(field: string, work: () => string): string {
  try {
    return work()
  } catch (thrown) {
    if (thrown instanceof BadTemplate) throw new BadTemplate(`${field}: ${thrown.message}`)
    throw thrown
  }
}

/** What templates see. What a profile leaves out is empty and not missing: a template cannot know who has a name. */
const documentOf = ({ document, notification }: RenderOrder): object => ({
  recipient: shownProfile(document.recipient),
  actor: shownProfile(document.actor ?? {}),
  data: document.data ?? {},
  events: document.events.map((event) => ({ ...event, actor: event.actor ?? '', data: event.data ?? {} })),
  total: document.total,
  steps: document.steps,
  state: document.state,
  // Only e-mails have links.
  notification: { workflow: '', delivery: '', preferences: '', unsubscribe: '', ...notification },
})

const shownProfile = (profile: Partial<Profile>): object =>
  Object.fromEntries(profileFields.map((field) => [field, profile[field] ?? (field === 'properties' ? {} : '')]))

const checks = new BoundedMap<string, Check>(200)

/** Why data does not satisfy a template's schema, or undefined. */
function badData(schema: unknown, data: unknown): string | undefined {
  if (typeof schema !== 'boolean' && !isSchemaObject(schema)) return undefined
  const key = JSON.stringify(schema)
  const check = checks.get(key) ?? compileSchema(schema)
  checks.set(key, check)
  return check(data ?? {})
}
