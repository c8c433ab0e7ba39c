import { isDeeper } from '../json.ts'

/** A JSON Schema (2020-12) as far as tenants may use it; see `badSchema`. */
export type Schema = boolean | SchemaObject
export type SchemaObject = Readonly<Record<string, unknown>>

export const isSchemaObject = (value: unknown): value is SchemaObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Bytes of a schema as JSON text, at most. */
export const schemaBytes = 32_768
const maxDepth = 32
/** Repetitions in one pattern, at most: each multiplies the work by the length of the text. */
const maxRepeats = 2
/** Characters of a text that a pattern is tested with, at most: one quantifier may look at each pair of them. */
const maxTested = 1000
/** Items of an array whose items have to be unique, at most: each is compared with each. */
const maxUnique = 100

/** Keywords with one subschema, a list of them, or one for each name. */
export const single = ['not', 'if', 'then', 'else', 'additionalProperties', 'propertyNames', 'items', 'contains']
export const listed = ['allOf', 'anyOf', 'oneOf', 'prefixItems']
export const named = ['$defs', 'properties']
/** Keywords that say nothing about the data. */
export const annotations = ['$schema', '$comment', 'title', 'description', 'default', 'examples', 'deprecated']
const others = [
  ...annotations,
  'type',
  'enum',
  'const',
  'required',
  'dependentRequired',
  'minProperties',
  'maxProperties',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minContains',
  'maxContains',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'format',
  '$ref',
]
const keywords = new Set([...single, ...listed, ...named, ...others])
const types = new Set(['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'])
const formats = new Set(['date-time', 'date', 'time', 'email', 'uuid', 'uri'])
const numbers = new Set(others.filter((name) => /^(?:min|max|exclusive|multipleOf)/.test(name)))

/**
 * Why a schema is not accepted, or undefined. Only keywords whose work is bounded and that the check of compatibility knows
 * are accepted; `$ref` names a schema of the root's `$defs`, and patterns cannot backtrack.
 */
export function badSchema(schema: unknown): string | undefined {
  if (isDeeper(schema, maxDepth)) return `schema: nested at most ${maxDepth} levels deep`
  return badIn(schema, schema, 'schema')
}

function badIn(schema: unknown, root: unknown, at: string): string | undefined {
  if (typeof schema === 'boolean') return undefined
  if (!isSchemaObject(schema)) return `${at}: a schema is an object or a boolean`
  const beside = Object.keys(schema).find((keyword) => !isBesideRef(keyword))
  if (schema['$ref'] !== undefined && beside !== undefined) return `${at}.${beside}: not beside $ref; use allOf`
  for (const [keyword, value] of Object.entries(schema)) {
    const place = `${at}.${keyword}`
    if (!keywords.has(keyword)) return `${place}: this keyword is not supported`
    const bad = single.includes(keyword)
      ? badIn(value, root, place)
      : listed.includes(keyword)
        ? badList(value, root, place)
        : named.includes(keyword)
          ? badNamed(value, root, place)
          : badValue(keyword, value, schema, root)
    if (bad !== undefined) return bad.startsWith('schema') ? bad : `${place}: ${bad}`
  }
  return undefined
}

const isBesideRef = (keyword: string) => keyword === '$ref' || keyword === '$defs' || annotations.includes(keyword)

function badList(value: unknown, root: unknown, at: string): string | undefined {
  if (!Array.isArray(value) || value.length === 0) return `${at}: a list of schemas, at least one`
  return firstBad(value.map((each: unknown, index) => () => badIn(each, root, `${at}.${index}`)))
}

function badNamed(value: unknown, root: unknown, at: string): string | undefined {
  if (!isSchemaObject(value)) return `${at}: an object of schemas`
  return firstBad(
    Object.entries(value).map(([name, each]) => () => {
      if (name === '__proto__') return `${at}: __proto__ cannot be a name`
      return badIn(each, root, `${at}.${name}`)
    }),
  )
}

function firstBad(checks: readonly (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const bad = check()
    if (bad !== undefined) return bad
  }
  return undefined
}

function badValue(keyword: string, value: unknown, schema: SchemaObject, root: unknown): string | undefined {
  if (numbers.has(keyword)) return typeof value === 'number' ? undefined : 'a number'
  switch (keyword) {
    case 'type':
      return [value].flat().every((type) => typeof type === 'string' && types.has(type))
        ? undefined
        : `one or several of ${[...types].join(', ')}`
    case 'enum':
      return Array.isArray(value) && value.length > 0 && value.length <= 1000
        ? undefined
        : 'a list of 1 to 1,000 values'
    case 'required':
      return Array.isArray(value) && value.every((name) => typeof name === 'string') ? undefined : 'a list of names'
    case 'dependentRequired':
      return isSchemaObject(value) && Object.values(value).every(Array.isArray)
        ? undefined
        : 'a list of names for each name'
    case 'pattern':
      if (typeof value !== 'string') return 'a regular expression'
      return Number(schema['maxLength']) <= maxTested ? badPattern(value) : `needs maxLength of at most ${maxTested}`
    case 'format':
      return typeof value === 'string' && formats.has(value) ? undefined : `one of ${[...formats].join(', ')}`
    case 'uniqueItems':
      return value !== true || (typeof schema['maxItems'] === 'number' && schema['maxItems'] <= maxUnique)
        ? undefined
        : `needs maxItems of at most ${maxUnique}`
    case '$ref':
      return badRef(value, root)
    default:
      return undefined
  }
}

function badRef(value: unknown, root: unknown): string | undefined {
  const name = refName(value)
  if (name === undefined) return 'must be "#/$defs/<name>", a name of letters, digits, _ and -'
  const definitions = isSchemaObject(root) ? root['$defs'] : undefined
  const known = isSchemaObject(definitions) && Object.hasOwn(definitions, name) ? definitions[name] : undefined
  if (known === undefined) return `there is no $defs.${name}`
  return isEndless(root, name) ? `$defs.${name} refers to itself without a property or item in between` : undefined
}

const refName = (value: unknown): string | undefined =>
  typeof value === 'string' ? /^#\/\$defs\/([\w-]{1,64})$/.exec(value)?.[1] : undefined

/** Whether a definition leads back to itself at the same place of the data. */
function isEndless(root: unknown, name: string): boolean {
  const definitions = isSchemaObject(root) && isSchemaObject(root['$defs']) ? root['$defs'] : {}
  const seen = new Set<string>()
  const waiting: unknown[] = [definitions[name]]
  for (let schema = waiting.pop(); schema !== undefined; schema = waiting.pop()) {
    if (!isSchemaObject(schema)) continue
    const next = refName(schema['$ref'])
    if (next === name) return true
    if (next !== undefined && !seen.has(next)) {
      seen.add(next)
      waiting.push(definitions[next])
    }
    for (const keyword of ['allOf', 'anyOf', 'oneOf'])
      if (Array.isArray(schema[keyword])) waiting.push(...schema[keyword])
    for (const keyword of ['not', 'if', 'then', 'else']) waiting.push(schema[keyword] ?? true)
  }
  return false
}

/** Why a pattern is not accepted, or undefined. Without repeated groups and with two repetitions the work is bounded. */
export function badPattern(pattern: string): string | undefined {
  if (pattern.length > 200) return 'at most 200 characters'
  try {
    void new RegExp(pattern, 'u')
  } catch {
    return 'not a regular expression'
  }
  const plain = pattern
    .replaceAll(/\\\\/g, 'x')
    .replaceAll(/\\./g, 'x')
    .replaceAll(/\[[^\]]*\]/g, 'x')
  if (/\)(?:[*+?]|\{)/.test(plain)) return 'a group cannot be repeated'
  if (/\(\?[=!<]/.test(plain)) return 'look-around and named groups are not supported'
  const repeats = [...plain.matchAll(/[*+]|\{\d+(?:,\d*)?\}/g)].length
  return repeats > maxRepeats ? `at most ${maxRepeats} of *, + and {n,m}` : undefined
}

/** The schema that a `$ref` names, without siblings; others are returned as they are. */
export function resolve(schema: Schema, root: Schema): Schema {
  let found = schema
  for (let steps = 0; steps < 64; steps++) {
    const name = isSchemaObject(found) ? refName(found['$ref']) : undefined
    if (name === undefined) return found
    const definitions = isSchemaObject(root) ? root['$defs'] : undefined
    const next = isSchemaObject(definitions) ? definitions[name] : undefined
    if (!isSchemaObject(next) && typeof next !== 'boolean') return false
    found = next
  }
  return false
}
