import { Validator } from '@cfworker/json-schema'
import { annotations, isSchemaObject, listed, named, single, type Schema } from './schema.ts'

/** Subschemas that the check of one event may apply. */
const maxSteps = 20_000

/** Why data does not satisfy the schema, or undefined. */
export type Check = (data: unknown) => string | undefined

/** Thrown by a schema that is applied too often. */
class TooManySteps extends Error {}

/** Steps left in the check under way. A check is synchronous, so one number serves all. */
let stepsLeft = 0

/** Compiles a schema that `badSchema` accepted. */
export function compileSchema(schema: Schema): Check {
  stepsLeft = Infinity
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library's type lists the keywords of our dialect, too
  const validator = new Validator(counted(schema) as object, '2020-12')
  return (data) => {
    stepsLeft = maxSteps
    try {
      const { valid, errors } = validator.validate(data)
      return valid ? undefined : explained(errors)
    } catch (thrown) {
      if (thrown instanceof TooManySteps) return `the check applies more than ${maxSteps} subschemas`
      if (thrown instanceof RangeError) return 'nested too deep for its schema'
      throw thrown
    }
  }
}

/** A copy whose subschemas count how often they are applied. A pattern is tested only with texts that are short enough. */
function counted(schema: unknown): unknown {
  if (!isSchemaObject(schema)) return schema
  const copy: Record<string, unknown> = {}
  for (const [keyword, value] of Object.entries(schema)) {
    if (annotations.includes(keyword) || keyword === 'pattern') continue
    if (single.includes(keyword)) copy[keyword] = counted(value)
    else if (listed.includes(keyword)) copy[keyword] = Array.isArray(value) ? value.map(counted) : value
    else if (named.includes(keyword) && isSchemaObject(value))
      copy[keyword] = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, counted(each)]))
    else copy[keyword] = value
  }
  const { pattern, maxLength } = schema
  if (pattern !== undefined) {
    const unlessLong = { if: counted({ minLength: Number(maxLength) + 1 }), else: { pattern } }
    copy['allOf'] = [...(Array.isArray(copy['allOf']) ? copy['allOf'] : []), unlessLong]
  }
  // The library reads this keyword, which is not part of the dialect, each time it applies a schema.
  Object.defineProperty(copy, '$recursiveRef', { enumerable: false, get: spendStep })
  return copy
}

function spendStep(): undefined {
  if (--stepsLeft < 0) throw new TooManySteps()
}

/** The deepest error is the one that says what is wrong. */
function explained(errors: readonly { readonly instanceLocation: string; readonly error: string }[]): string {
  const { instanceLocation, error } = errors.at(-1) ?? { instanceLocation: '#', error: 'not valid' }
  const place = instanceLocation.replace(/^#\/?/, '').replaceAll('/', '.')
  return `data${place === '' ? '' : `.${place}`}: ${error.slice(0, 300)}`
}
