import { z } from 'zod'
import { callNotificationCatalog } from '../../../../durable-objects/open-recipients.ts'
import { isLonger } from '../../../kernel/text.ts'
import { badTemplate, usedPartials } from '../../../notifications/templates/check.ts'
import { BadTemplate } from '../../../notifications/templates/engine.ts'
import { renderStored } from '../../../notifications/templates/render.ts'
import { definitionOf, type TemplateDefinition } from '../../../notifications/templates/template.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import {
  previewedContent,
  templateBytes,
  templateDefinition,
  templateList,
  templateName,
  templatePreview,
  templatesQuery,
  templateVersion,
  templateView,
} from '../../../protocol/templates-api.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'

const tag = 'Notifications'
const access = 'server'
const path = '/v1/templates/{name}'
const params = z.object({ name: templateName })

const exampleDefinition = {
  locale: 'en',
  schema: { type: 'object', properties: { order: { type: 'string' } }, required: ['order'] },
  locales: {
    en: {
      email: { title: 'Order {{ data.order }} shipped', html: '<p>Hello {{ recipient.name }}, it is on its way.</p>' },
      all: { body: 'Order {{ data.order }} is on its way' },
    },
  },
} as const

const putTemplate = operation(
  defineOperation({
    id: 'putTemplate',
    method: 'put',
    path,
    tag,
    summary: 'Register a template or a partial, or a new version of it',
    description:
      'Texts are Liquid templates. Syntax, variables, partials and loops that do not end are refused here. The same definition again is ' +
      'the same version. A new version is used within five seconds.',
    access,
    params,
    body: templateDefinition,
    responses: { 200: templateVersion },
    errors: ['conflict'],
    example: { body: exampleDefinition, response: { name: 'order-shipped', version: 1 } },
  }),
  async ({ c, caller: { tenant }, params: { name }, body }) => {
    const definition: TemplateDefinition = body
    if (isLonger(JSON.stringify(definition), templateBytes))
      fail('invalid-request', `at most ${templateBytes} bytes of JSON`)
    const uses = partialsIn(definition)
    const partials = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.partials(uses))
    const bad = badTemplate(name, definition, partials)
    if (bad !== undefined) fail('invalid-request', bad)
    const stored = await callNotificationCatalog(c.env, tenant, (catalog) =>
      catalog.putTemplate(name, definition, uses),
    )
    return { status: 200, body: { name, version: accepted(stored).version } }
  },
)

const listTemplates = operation(
  defineOperation({
    id: 'listTemplates',
    method: 'get',
    path: '/v1/templates',
    tag,
    summary: 'List your templates and partials by name, a page at a time',
    access,
    query: templatesQuery,
    responses: { 200: templateList },
    example: { response: { templates: [{ name: 'order-shipped', version: 1, kind: 'message' }], next: null } },
  }),
  async ({ c, caller, query: { cursor = '', limit } }) => {
    const found = await callNotificationCatalog(c.env, caller.tenant, (catalog) => catalog.templates(cursor, limit + 1))
    const templates = found.slice(0, limit)
    return { status: 200, body: { templates, next: found.length > limit ? (templates.at(-1)?.name ?? null) : null } }
  },
)

const readTemplate = operation(
  defineOperation({
    id: 'readTemplate',
    method: 'get',
    path,
    tag,
    summary: 'Read the newest version of a template, or the one asked for',
    access,
    params,
    query: z.strictObject({ version: z.coerce.number().int().min(1).optional() }),
    responses: { 200: templateView },
    example: {
      response: {
        name: 'order-shipped',
        version: 1,
        kind: 'message',
        definition: { kind: 'message', ...exampleDefinition },
        createdAt: 1_790_000_000_000,
      },
    },
  }),
  async ({ c, caller, params: { name }, query: { version } }) => {
    const found = await callNotificationCatalog(c.env, caller.tenant, (catalog) => catalog.template(name, version))
    if (found === undefined) return noTemplate(name, version)
    const { createdAt, version: newest } = found.template
    const definition = definitionOf(found.template)
    return {
      status: 200,
      body: { name, version: newest, kind: definition.kind, definition: { ...definition }, createdAt },
    }
  },
)

const removeTemplate = operation(
  defineOperation({
    id: 'removeTemplate',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a template',
    description: 'A partial that other templates use is kept: 409. Workflows that name a version go on.',
    access,
    params,
    responses: { 204: null },
    errors: ['conflict'],
  }),
  async ({ c, caller, params: { name } }) => {
    const removed = await callNotificationCatalog(c.env, caller.tenant, (catalog) => catalog.removeTemplate(name))
    if (removed === false) return noTemplate(name)
    if (removed !== true) accepted(removed)
    return { status: 204 }
  },
)

const previewTemplate = operation(
  defineOperation({
    id: 'previewTemplate',
    method: 'post',
    path: '/v1/templates/{name}/preview',
    tag,
    summary: 'Show what a template becomes with your data',
    description:
      'Nothing is sent. Data that breaks the schema and variables that are missing are refused as they are when it is sent.',
    access,
    params,
    body: templatePreview,
    responses: { 200: previewedContent },
    example: {
      body: { channel: 'sms', data: { order: '17' } },
      response: { locale: 'en', title: null, body: 'Order 17 is on its way', html: null, url: null, actions: [] },
    },
  }),
  async ({ c, caller, params: { name }, body: { channel, version, locale, data, recipient } }) => {
    const found = await callNotificationCatalog(c.env, caller.tenant, (catalog) => catalog.template(name, version))
    if (found === undefined) return noTemplate(name, version)
    const definition = definitionOf(found.template)
    if (definition.kind !== 'message')
      return fail('invalid-request', `name: ${name} is a partial, which is shown in a template that uses it`)
    const given: unknown = data === undefined ? {} : JSON.parse(data)
    const document = {
      recipient: { ...recipient, targets: [] },
      data: given,
      events: [{ id: 'preview', at: 0, data: given }],
      total: 1,
      steps: {},
      state: { isSeen: false, isRead: false, isInteracted: false },
    }
    try {
      const order = { channel, locale: locale ?? recipient.locale, document }
      const { locale: shown, content } = renderStored(definition, found.partials, order)
      const { title, body, html, url, actions = [] } = content
      return {
        status: 200,
        body: {
          locale: shown ?? null,
          title: title ?? null,
          body,
          html: html ?? null,
          url: url ?? null,
          actions: actions.map(({ id, label, url: to }) => ({ id, label, url: to ?? null })),
        },
      }
    } catch (thrown) {
      if (thrown instanceof BadTemplate) return fail('invalid-request', thrown.message)
      throw thrown
    }
  },
)

/** Templates of notifications and their partials. */
export const templates = [putTemplate, listTemplates, readTemplate, removeTemplate, previewTemplate]

function partialsIn(definition: TemplateDefinition): string[] {
  try {
    return [...usedPartials(definition)]
  } catch (thrown) {
    if (thrown instanceof BadTemplate) return fail('invalid-request', thrown.message)
    throw thrown
  }
}

const noTemplate = (name: string, version?: number) =>
  fail(
    'not-found',
    `name: there is no template ${name}${version === undefined ? '' : ` with version ${version}`}; PUT /v1/templates/${name} registers one`,
  )
