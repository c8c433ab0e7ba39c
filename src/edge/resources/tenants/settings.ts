import { tenantOf } from '../../../../durable-objects/address.ts'
import { newSettings, settings as settingsView } from '../../../protocol/api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import type { StoredTenant } from '../../../tenants/record.ts'
import { operation } from '../../http/operations.ts'
import { forgetTenant } from '../../identity/tenants.ts'

const readSettings = operation(
  defineOperation({
    id: 'readSettings',
    method: 'get',
    path: '/v1/settings',
    tag: 'Settings',
    summary: 'Read the settings that hold for all your users',
    access: 'server',
    responses: { 200: settingsView },
    example: { response: { anonymous: false, origins: ['https://app.example.com'] } },
  }),
  async ({ c, caller }) => ({ status: 200, body: view(await tenantOf(c.env, caller.tenant).record()) }),
)

const changeSettings = operation(
  defineOperation({
    id: 'changeSettings',
    method: 'patch',
    path: '/v1/settings',
    tag: 'Settings',
    summary: 'Change settings',
    description:
      'Changes the fields that are given: whether tokens without a user may connect, the rights of roles in conversations that are created from then on, by their type (null: the default), what files may be uploaded (null: any of up to 100 MiB), and the origins whose pages may call /v1 and connect (null: any).',
    access: 'server',
    body: newSettings,
    responses: { 200: settingsView },
    example: {
      body: { origins: ['https://app.example.com'] },
      response: { anonymous: false, origins: ['https://app.example.com'] },
    },
  }),
  async ({ c, caller: { tenant }, body }) => {
    const record = await tenantOf(c.env, tenant).setSettings(body)
    await forgetTenant(c.env, tenant)
    return { status: 200, body: view(record) }
  },
)

/** What a tenant decides about itself as a whole. */
export const settings = [readSettings, changeSettings]

/** `origins` is `["*"]` where the tenant has set none. */
const view = (record: StoredTenant | undefined) => ({
  anonymous: record?.anonymous ?? false,
  origins: record?.origins ?? ['*'],
  ...(record?.rights === undefined ? {} : { rights: record.rights }),
  ...(record?.uploads === undefined ? {} : { uploads: record.uploads }),
})
