import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { newJob } from '../../src/protocol/new-job.ts'
import { serverApiRequests } from '../../src/protocol/server-api.ts'

/** A record as JSON.parse makes it, with an own field of that name. */
const withProto = (value: string): unknown => JSON.parse(`{"a": ${value}, "__proto__": ${value}}`)

describe('a record given from outside', () => {
  test.each([
    ['tags of the server API', serverApiRequests.publish, { channel: 'a:1', tags: withProto('"x"') }],
    [
      'waits of a job by kind of error',
      newJob,
      { type: 'http', url: 'https://example.com/', backoff: { perError: withProto('{"seconds": 1}') } },
    ],
  ] as const)('is refused with a name that would be left out without a word: %s', (_, schema, request) => {
    expect(schema.safeParse(request).error?.issues[0]?.message).toMatch('__proto__')
  })

  test('is described in the OpenAPI document by its values', () => {
    const { properties } = z.toJSONSchema(serverApiRequests.publish, { io: 'input', unrepresentable: 'any' })
    expect(properties?.['tags']).toMatchObject({
      type: 'object',
      additionalProperties: { type: 'string', maxLength: 1024 },
    })
  })
})
