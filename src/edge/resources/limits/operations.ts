import { check, checkBatch, keyOfPolicy, newPolicy, release, reserve } from '../../../protocol/limits-api.ts'
import type { Operation } from '../../openapi/openapi.ts'

const tag = 'Limits'

/** The operations of /v1/limits, for the OpenAPI document. All need an API key. */
export const limitOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/v1/limits',
    tag,
    summary: 'See your plan, and the limits that hold for you',
    success: { status: 200, says: '{plan, limits}; rates are per second' },
  },
  {
    method: 'put',
    path: '/v1/limits/policies/{name}',
    tag,
    summary: 'Make or change a rate limit policy; several windows may hold together',
    body: newPolicy,
    success: { status: 200, says: 'the policy, with overshootBound: by how much it may be exceeded (0 when hard)' },
  },
  {
    method: 'get',
    path: '/v1/limits/policies',
    tag,
    summary: 'List your policies',
    success: { status: 200, says: '{policies}' },
  },
  {
    method: 'delete',
    path: '/v1/limits/policies/{name}',
    tag,
    summary: 'End a policy',
    success: { status: 204, says: 'ended' },
  },
  {
    method: 'post',
    path: '/v1/limits/check',
    tag,
    summary: 'Decide one use of a key; refused is an answer, not an error',
    body: check,
    success: { status: 200, says: '{allowed, remaining, limit, retryAfterMs, resetMs}' },
  },
  {
    method: 'post',
    path: '/v1/limits/check-batch',
    tag,
    summary: 'Decide several; with allOrNone one decision through all levels',
    body: checkBatch,
    success: { status: 200, says: '{results}, or {allowed, refused, retryAfterMs} with allOrNone' },
  },
  {
    method: 'post',
    path: '/v1/limits/peek',
    tag,
    summary: 'See how a key stands without using it',
    body: keyOfPolicy,
    success: { status: 200, says: '{remaining, limit, resetMs, leased}' },
  },
  {
    method: 'post',
    path: '/v1/limits/reset',
    tag,
    summary: 'Forget what a key has used',
    body: keyOfPolicy,
    success: { status: 200, says: '{reset}' },
  },
  {
    method: 'post',
    path: '/v1/limits/reserve',
    tag,
    summary: 'Keep units, or a slot of a concurrency policy, until released',
    body: reserve,
    success: {
      status: 200,
      says: '{reserved, reservation, expiresInMs, remaining}, or {reserved: false, retryAfterMs}',
    },
  },
  {
    method: 'post',
    path: '/v1/limits/release',
    tag,
    summary: 'End a reservation; units not used return',
    body: release,
    success: { status: 200, says: '{released}; false when it is over already' },
  },
]
