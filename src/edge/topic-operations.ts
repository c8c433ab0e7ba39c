import { newSettings, newSubscriptionToken } from '../protocol/api.ts'
import { newNamespace } from '../protocol/namespaces-api.ts'
import type { Operation } from './openapi.ts'

const tag = 'Topics'

/** The operations around plain topics, for the OpenAPI document. All need an API key. */
export const topicOperations: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/tokens/subscription',
    tag: 'Tokens',
    summary: 'Issue a token that lets one of your users listen to one topic',
    body: newSubscriptionToken,
    success: { status: 200, says: '{token, expiresAt}; expiresAt in milliseconds since the epoch' },
  },
  {
    method: 'get',
    path: '/v1/namespaces',
    tag,
    summary: 'List your namespaces',
    success: { status: 200, says: '{namespaces}' },
  },
  {
    method: 'get',
    path: '/v1/namespaces/{name}',
    tag,
    summary: 'Read a namespace',
    success: { status: 200, says: 'the namespace' },
  },
  {
    method: 'put',
    path: '/v1/namespaces/{name}',
    tag,
    summary: 'Make or change a namespace: what its topics keep and who may use them; takes effect within ten seconds',
    body: newNamespace,
    success: { status: 200, says: 'the namespace' },
  },
  {
    method: 'delete',
    path: '/v1/namespaces/{name}',
    tag,
    summary: 'End a namespace; its channels are unknown from then on',
    success: { status: 204, says: 'ended' },
  },
  {
    method: 'get',
    path: '/v1/settings',
    tag: 'Settings',
    summary: 'Read what holds for all your users',
    success: { status: 200, says: '{anonymous, origins}; origins is ["*"] until it is set' },
  },
  {
    method: 'patch',
    path: '/v1/settings',
    tag: 'Settings',
    summary:
      'Change what is given: whether tokens without a user may connect; which origins’ pages may call /v1 and connect (null: any)',
    body: newSettings,
    success: { status: 200, says: '{anonymous, origins}' },
  },
]
