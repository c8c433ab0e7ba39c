import { expect, test } from 'vitest'
import { OperationRouter } from '../../src/edge/http/operation-router.ts'

test('an operation without parameters is found beside one that has a parameter in its place', () => {
  const router = new OperationRouter<string>()
  router.add('POST', '/v1/jobs/batch', 'batch')
  router.add('POST', '/v1/jobs/:id/redrive', 'redrive')
  router.add('GET', '/v1/jobs/:id', 'find')
  const found = (method: string, path: string) => router.match(method, path)[0].map(([handler]) => handler)
  expect(found('POST', '/v1/jobs/batch')).toEqual(['batch'])
  expect(found('POST', '/v1/jobs/batch/redrive')).toEqual(['redrive'])
  expect(found('GET', '/v1/jobs/batch')).toEqual(['find'])
  expect(found('PUT', '/v1/jobs/batch')).toEqual([])
})
