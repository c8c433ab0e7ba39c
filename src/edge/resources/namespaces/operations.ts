import { newSettings, newSubscriptionToken } from '../../../protocol/api.ts'
import { rotation } from '../../../protocol/signing-keys-api.ts'
import { newNamespace } from '../../../protocol/namespaces-api.ts'
import type { Operation } from '../../openapi/openapi.ts'

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
    path: '/v1/signing-keys',
    tag: 'Tokens',
    summary: 'List the keys that sign or verify tokens; no secret is shown',
    success: {
      status: 200,
      says: '{keys: [{id, algorithm, at, until, issues}]}; issues: POST /v1/tokens signs with it',
    },
  },
  {
    method: 'post',
    path: '/v1/signing-keys',
    tag: 'Tokens',
    summary: 'Make a key with which your server signs tokens itself (HS256, kid = its id); ten at most',
    success: { status: 201, says: '{id, algorithm, secret, at}; the secret is shown this once' },
  },
  {
    method: 'post',
    path: '/v1/signing-keys/{key}/rotate',
    tag: 'Tokens',
    summary: 'Replace a key; the old one still verifies for overlapSeconds (a day unless given)',
    body: rotation,
    success: { status: 201, says: '{id, algorithm, secret, at} of the new key; the secret is shown this once' },
  },
  {
    method: 'delete',
    path: '/v1/signing-keys/{key}',
    tag: 'Tokens',
    summary: 'Revoke a key: what it signed opens nothing more, within ten seconds',
    success: { status: 204, says: 'revoked' },
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
