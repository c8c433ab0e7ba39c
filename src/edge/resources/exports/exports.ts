import { z } from 'zod'
import { callInbox } from '../../../../durable-objects/open-actors.ts'
import { conversationParams } from '../../../protocol/conversation-views.ts'
import { exportLine } from '../../../protocol/export-lines.ts'
import { importAnswer, importBody, maxImportLines } from '../../../protocol/import-api.ts'
import { sizes } from '../../../protocol/limits.ts'
import { exportQuery, exportText } from '../../../protocol/export-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { userId } from '../../../protocol/payloads.ts'
import { requestBody, textOf } from '../../http/capped.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { mayBeConversation } from '../../identity/conversation-ids.ts'
import { takeItems } from '../../rate-limits/items.ts'
import { entriesOf } from './conversation-lines.ts'
import { importLines } from './import.ts'
import { pageOf } from './export-page.ts'
import { ofConversation, tenantSources } from './tenant-sources.ts'
import { userSources } from './user-sources.ts'

const tag = 'Export'
/** Answers hold what users wrote: no cache keeps them. */
const common = {
  method: 'get',
  tag,
  access: 'server',
  query: exportQuery,
  contentType: 'application/x-ndjson; charset=utf-8',
  isSecret: true,
} as const

const exportUser = operation(
  defineOperation({
    id: 'exportUser',
    path: '/v1/users/{user}/export',
    summary: 'Export everything that is stored of a user, a page at a time',
    description:
      'NDJSON. Ask again with `next` of the last line as `cursor` until a page ends with `end`. Nothing of an export is stored, so it can go on at any cursor, at any time. Of a user that is erased there is nothing.',
    ...common,
    params: z.object({ user: userId }),
    responses: { 200: exportText },
    example: {
      response:
        '{"type":"user","version":1,"user":"alice","profile":{"id":"alice"}}\n{"type":"page","version":1,"next":"1:conversations:","lines":1}\n',
    },
  }),
  async ({ c, caller, params: { user }, query }) => {
    const { env } = c
    const { tenant } = caller
    const isErased = (await callInbox(env, tenant, user, (inbox) => inbox.erasure())) !== undefined
    return { status: 200, body: await pageOf(c, caller, isErased ? [] : userSources({ env, tenant, user }), query) }
  },
)

const exportConversation = operation(
  defineOperation({
    id: 'exportConversation',
    path: '/v1/conversations/{id}/export',
    summary: 'Export a conversation with its members and all its entries, a page at a time',
    description: 'NDJSON, in pages as `exportUser` has them: the conversation, its members, then its entries in order.',
    ...common,
    params: conversationParams,
    responses: { 200: exportText },
    example: {
      response: `${exportLine('conversation', { conversation: 'c1', properties: {} })}\n${exportLine('end', { lines: 1 })}\n`,
    },
  }),
  async ({ c, caller, params: { id }, query }) => {
    const { env } = c
    const { tenant } = caller
    const read = async () => await entriesOf({ env, tenant }, id, { user: null, after: 0, limit: 1 })
    const head = (await mayBeConversation(env, tenant, id)) ? (await read()).head : undefined
    if (head === undefined || head.conversation.deletedAt !== undefined)
      return fail('not-found', `id: there is no conversation ${id}`)
    const source = {
      name: 'conversation',
      read: (cursor: string, limit: number) => ofConversation({ env, tenant }, id, cursor, limit),
    }
    return { status: 200, body: await pageOf(c, caller, [source], query) }
  },
)

const exportTenant = operation(
  defineOperation({
    id: 'exportTenant',
    path: '/v1/export',
    summary: 'Export all users, conversations and messages, a page at a time',
    description:
      'NDJSON, in pages as `exportUser` has them: users, their subscriptions, conversations one after the other, then use by day.',
    ...common,
    responses: { 200: exportText },
    example: { response: `${exportLine('page', { next: '0:conversations:', lines: 0 })}\n` },
  }),
  async ({ c, caller, query }) => {
    const { env } = c
    return { status: 200, body: await pageOf(c, caller, tenantSources({ env, tenant: caller.tenant }), query) }
  },
)

const importTenant = operation(
  defineOperation({
    id: 'importLines',
    method: 'post',
    path: '/v1/import',
    tag,
    summary: 'Put lines of an export into this tenant: users, conversations and entries with their times and authors',
    description:
      'Lines are taken in order, and one that does not fit ends the request. The same lines again change nothing, so that a request may be repeated. Entries follow each other from 1 on; nothing is published or notified of them.',
    access: 'server',
    body: importBody,
    rawBody: ['application/x-ndjson'],
    responses: { 200: importAnswer },
    example: {
      response: { lines: 120, imported: 118, repeated: 0, skipped: 2, renamed: {}, refused: null },
    },
  }),
  async ({ c, caller }) => {
    const lines = textOf(await requestBody(c, sizes.bodyBytes))
      .split('\n')
      .filter((line) => line.trim() !== '')
    if (lines.length === 0 || lines.length > maxImportLines)
      return fail('invalid-request', `body: 1 to ${maxImportLines} lines of JSON, got ${lines.length}`)
    await takeItems(c.env, caller, lines.length)
    return { status: 200, body: await importLines({ env: c.env, tenant: caller.tenant }, lines) }
  },
)

/** What is stored, as lines of JSON, and back again. */
export const exports = [exportUser, exportConversation, exportTenant, importTenant]
