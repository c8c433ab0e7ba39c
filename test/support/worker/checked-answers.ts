import { expect } from 'vitest'
import { z } from 'zod'
import { app } from '../../../src/edge/http/app.ts'
import { operations } from '../../../src/edge/resources/all-operations.ts'
import { serverApiOperations } from '../../../src/edge/server-api/operations.ts'
import { errorsOf, isCheckedByEtag, type OperationDefinition } from '../../../src/protocol/operation.ts'

/*
 * Holds every answer of the HTTP API against the schema that its operation publishes, in every test in workerd: also answers
 * that the server makes as JSON text, which no type covers. An answer that breaks its schema, or has a member that the schema
 * does not name, fails the test during which it was given; so does a problem that its operation does not declare.
 */

interface Route {
  readonly definition: OperationDefinition
  readonly pattern: RegExp
  readonly parameters: number
}

const routes = [...operations.map(({ definition }) => definition), ...serverApiOperations]
  .map((definition): Route => ({
    definition,
    pattern: new RegExp(`^${definition.path.replaceAll('.', String.raw`\.`).replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    parameters: definition.path.split('{').length,
  }))
  .sort((one, other) => one.parameters - other.parameters)

const definitionFor = (method: string, path: string): OperationDefinition | undefined =>
  routes.find(({ definition, pattern }) => definition.method === method.toLowerCase() && pattern.test(path))?.definition

/** What was wrong with answers since a test last took it from here. */
export const broken: string[] = []

/** Why an answer is not one of its operation, or undefined. */
async function whyBroken(
  definition: OperationDefinition,
  answer: Response,
  asked: Headers,
): Promise<string | undefined> {
  const { responses, contentType } = definition
  if (answer.status === 304 && isCheckedByEtag(definition))
    return (await answer.text()) === '' ? undefined : 'has a body, though the caller has it'
  const schema = responses[answer.status]
  if (asked.get('x-centrifugo-error-mode') === 'transport' && !answer.ok)
    return transportError.safeParse(await answer.json()).error?.message
  if (schema === undefined && !answer.ok) return whyAnotherProblem(definition, await answer.json())
  if (schema === undefined) return `status ${answer.status} is not declared`
  const text = await answer.text()
  if (schema === null) return text === '' ? undefined : 'has a body, and none is declared'
  return whyAnother(schema, contentType === undefined ? JSON.parse(text) : text)
}

function whyAnother(schema: z.ZodType, body: unknown): string | undefined {
  const read = schema.safeParse(body)
  if (!read.success) return read.error.message
  try {
    expect(body).toEqual(read.data)
    return undefined
  } catch (thrown) {
    return `has members that the schema does not name: ${String(thrown)}`
  }
}

/** Where the documentation explains a problem: its type. */
const problemTypes = '/docs/errors#'
/** An error of `/api` for a caller that asked for it as a status, as Centrifugo answers it. */
const transportError = z.looseObject({ code: z.int(), message: z.string() })
const problem = z.looseObject({ type: z.string(), title: z.string(), status: z.int(), requestId: z.string() })

/** Why a problem is not one that the operation declares, or undefined. */
function whyAnotherProblem(definition: OperationDefinition, body: unknown): string | undefined {
  const read = problem.safeParse(body)
  if (!read.success) return read.error.message
  const declared = errorsOf(definition).map((name) => problemTypes + name)
  return declared.includes(read.data.type) ? undefined : `the problem ${read.data.type} is not declared`
}

const answer = app.fetch
app.fetch = async (request, ...rest) => {
  const { method, url } = request
  const response = await answer(request, ...rest)
  const definition = definitionFor(method, new URL(url).pathname)
  const why = definition === undefined ? undefined : await whyBroken(definition, response.clone(), request.headers)
  if (why !== undefined) broken.push(`${method} ${new URL(url).pathname}: ${why}`)
  return response
}
