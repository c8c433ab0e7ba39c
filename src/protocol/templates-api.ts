import { z } from 'zod'
import { jsonUpTo } from './given-json.ts'
import { sizes } from './limits.ts'
import { sagaName } from './sagas-api.ts'

/** Names of templates, partials and providers; they stand in paths and in `{% render "name" %}`. */
export const templateName = sagaName

/** A BCP 47 language tag, as far as its form says. */
export const localeTag = z
  .string()
  .max(35)
  .regex(/^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,8}$/, 'a BCP 47 language tag: "en", "de-CH", "zh-Hant-TW"')

/** Characters of one text. */
const textLength = 100_000
/** Bytes of a definition as JSON, at most: each of its versions is kept. */
export const templateBytes = 131_072

const liquid = z.string().max(textLength)

const channelContent = z
  .strictObject({
    title: liquid.optional().describe('Subject of an e-mail, title of a push'),
    body: liquid.optional().describe('Without it the text of an e-mail is made from `html`'),
    html: liquid.optional().describe('HTML of an e-mail; values are escaped unless `raw` is applied to them'),
    url: liquid.optional().describe('Where a click leads: an http or https address'),
    actions: z
      .array(z.strictObject({ id: templateName, label: liquid, url: liquid.optional() }))
      .max(5)
      .optional(),
  })
  .refine(({ body, html }) => body !== undefined || html !== undefined, 'give body or html')
  .meta({ id: 'ChannelContent' })

const localeContent = z
  .strictObject({
    all: channelContent.optional().describe('For channels that are not named'),
    'in-app': channelContent.optional(),
    email: channelContent.optional(),
    push: channelContent.optional(),
    sms: channelContent.optional(),
    chat: channelContent.optional(),
    webhook: channelContent.optional(),
  })
  .refine((channels) => Object.keys(channels).length > 0, 'give content for at least one channel, or `all`')

const locales = <S extends z.ZodType>(content: S) =>
  z.record(localeTag, content).refine((each) => {
    const count = Object.keys(each).length
    return count >= 1 && count <= 50
  }, 'one to 50 locales')

const fallback = localeTag.default('en').describe('The locale of recipients whose own has no content')

/** `PUT /v1/templates/{name}`. */
export const templateDefinition = z.union(
  [
    z
      .strictObject({
        kind: z.literal('message').default('message'),
        locale: fallback,
        schema: z.unknown().optional().describe('JSON Schema (2020-12) of `data`'),
        locales: locales(localeContent),
      })
      .meta({ id: 'MessageTemplate' }),
    z
      .strictObject({ kind: z.literal('partial'), locale: fallback, locales: locales(liquid) })
      .meta({ id: 'PartialTemplate' }),
  ],
  'must be {"locales": {<locale>: {<channel>: {"title", "body", "html", "url"}}}}, or {"kind": "partial", "locales": {<locale>: <text>}}',
)

export const templateVersion = z.object({ name: z.string(), version: z.int() }).meta({ id: 'TemplateVersion' })

export const templateView = templateVersion
  .extend({
    kind: z.enum(['message', 'partial']),
    definition: z.looseObject({}).describe('The definition, with the defaults that apply'),
    createdAt: z.int().describe('Milliseconds since the epoch'),
  })
  .meta({ id: 'Template' })

export const templatesQuery = z.strictObject({
  cursor: templateName.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

export const templateList = z.object({
  templates: z.array(templateVersion.extend({ kind: z.enum(['message', 'partial']) })),
  next: z.string().nullable().describe('Cursor of the next page'),
})

/** `POST /v1/templates/{name}/preview`. */
export const templatePreview = z.strictObject({
  channel: z.enum(['in-app', 'email', 'push', 'sms', 'chat', 'webhook']),
  version: z.int().min(1).optional().describe('The newest without it'),
  locale: localeTag.optional().describe('That of the recipient without it'),
  data: jsonUpTo(sizes.dataBytes).optional(),
  recipient: z
    .strictObject({
      id: z.string().max(128).default('preview'),
      name: z.string().max(200).optional(),
      email: z.string().max(320).optional(),
      phone: z.string().max(20).optional(),
      avatar: z.string().max(2048).optional(),
      locale: localeTag.optional(),
      zone: z.string().max(64).optional(),
      properties: z.record(z.string(), z.unknown()).default({}),
    })
    .prefault({}),
})

export const previewedContent = z
  .object({
    locale: z.string().nullable().describe('The locale that was found'),
    title: z.string().nullable(),
    body: z.string(),
    html: z.string().nullable(),
    url: z.string().nullable(),
    actions: z.array(z.object({ id: z.string(), label: z.string(), url: z.string().nullable() })),
  })
  .meta({ id: 'TemplatePreview' })
