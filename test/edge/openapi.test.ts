import { createConfig, lintFromString } from '@redocly/openapi-core'
import openapiTS, { astToString } from 'openapi-typescript'
import { describe, expect, test } from 'vitest'
import { GivenJson, readGiven } from '../../src/protocol/given-json.ts'
import { exampleStatus, type OperationDefinition } from '../../src/protocol/operation.ts'

interface Documented {
  readonly definitions: readonly OperationDefinition[]
  readonly openApi: (serverUrl: string) => object
}
const module = new URL('../../src/edge/openapi/openapi.ts', import.meta.url).pathname
const { definitions, openApi }: Documented = await import(module)

const document = openApi('https://parley.example')
const source = JSON.stringify(document)

describe('the OpenAPI document', () => {
  test('is valid and raises no warning of the recommended rules', async () => {
    const config = await createConfig({ extends: ['recommended'] })
    const found = await lintFromString({ source, config, absoluteRef: 'openapi.json' })
    expect(found.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])).toEqual([])
  })

  test('gives every operation a unique operationId', () => {
    const ids = definitions.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test('gives openapi-typescript a typed answer for every operation', async () => {
    const types = astToString(await openapiTS(source))
    const operations = types.slice(types.indexOf('export interface operations'))
    for (const definition of definitions) {
      const start = operations.indexOf(`    ${definition.id}: {`)
      const text = operations.slice(start, operations.indexOf('\n    };', start))
      expect({ id: definition.id, isThere: start > 0 }).toEqual({ id: definition.id, isThere: true })
      for (const [status, schema] of Object.entries(definition.responses)) {
        const answer = new RegExp(`\\n            ${status}: \\{(.*?)\\n            \\};`, 's').exec(text)?.[1] ?? ''
        const content = /content\??: (\{.*?\}|never);/s.exec(answer)?.[1] ?? ''
        if (schema === null) expect([definition.id, status, content]).toEqual([definition.id, status, 'never'])
        else
          expect([definition.id, status, content]).toEqual([
            definition.id,
            status,
            expect.stringMatching(/: (?:components|string)/),
          ])
      }
    }
    expect(types).not.toMatch(/^ {8}\w+(?:Request|Response\d*): (?:unknown|never);/m)
  })
})

describe('the example of an operation', () => {
  const shown = definitions.filter(({ example }) => example !== undefined)

  test.each(shown.filter(({ example }) => example?.body !== undefined))('$id is a body it accepts', (definition) => {
    const text = JSON.stringify(definition.example?.body)
    for (const schema of [definition.body, definition.documentedBody])
      if (schema !== undefined) expect(readGiven(schema, new GivenJson(JSON.parse(text), text)).error).toBe(undefined)
  })

  test.each(shown.filter(({ example }) => example?.response !== undefined))(
    '$id is an answer it gives',
    (definition) => {
      const schema = definition.responses[exampleStatus(definition) ?? 0]
      expect(schema?.safeParse(definition.example?.response)).toEqual({
        success: true,
        data: definition.example?.response,
      })
    },
  )
})
