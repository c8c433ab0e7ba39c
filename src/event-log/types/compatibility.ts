import { isSameJson } from './same-json.ts'
import { isSchemaObject, resolve, type Schema, type SchemaObject } from '../../kernel/json-schema/schema.ts'

/** Which data the schemas of two neighbouring versions have to share. */
export type Compatibility = 'backward' | 'forward' | 'full' | 'none'

/** Gaps that are named; the others are not searched for. */
const maxGaps = 10
/** Pairs of subschemas that are compared; with more, the schemas count as incompatible. */
const maxPairs = 5000

/** Why `next` may not follow `before`, empty when it may. Each text begins with the place in the schema. */
export function incompatibilities(before: Schema, next: Schema, compatibility: Compatibility): string[] {
  const backward = () => gaps(next, before).map((gap) => `backward: ${gap}`)
  const forward = () => gaps(before, next).map((gap) => `forward: ${gap}`)
  if (compatibility === 'none') return []
  if (compatibility === 'backward') return backward()
  return compatibility === 'forward' ? forward() : [...backward(), ...forward()].slice(0, maxGaps)
}

/**
 * Why data that `given` accepts may be refused by `wanted`; empty when that is impossible. What cannot be decided by the
 * form of the schemas is a gap.
 */
export function gaps(wanted: Schema, given: Schema): string[] {
  const comparison = new Comparison(wanted, given)
  comparison.compare(wanted, given, '')
  return comparison.gaps
}

type Bound = readonly [keyword: string, type: string, isLower: boolean]

const bounds: readonly Bound[] = [
  ['minimum', 'number', true],
  ['maximum', 'number', false],
  ['exclusiveMinimum', 'number', true],
  ['exclusiveMaximum', 'number', false],
  ['minLength', 'string', true],
  ['maxLength', 'string', false],
  ['minItems', 'array', true],
  ['maxItems', 'array', false],
  ['minProperties', 'object', true],
  ['maxProperties', 'object', false],
]

/** Keywords that only an equal one satisfies, with the type they are about; undefined for all types. */
const equalOnly: readonly (readonly [string, string | undefined])[] = [
  ['pattern', 'string'],
  ['format', 'string'],
  ['contains', 'array'],
  ['minContains', 'array'],
  ['maxContains', 'array'],
  ['propertyNames', 'object'],
  ['dependentRequired', 'object'],
  ['oneOf', undefined],
  ['not', undefined],
  ['if', undefined],
  ['then', undefined],
  ['else', undefined],
]

const allTypes = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object']

class Comparison {
  readonly gaps: string[] = []
  readonly #wantedRoot: Schema
  readonly #givenRoot: Schema
  readonly #seen = new Map<Schema, Set<Schema>>()
  #pairs = 0

  constructor(wanted: Schema, given: Schema) {
    this.#wantedRoot = wanted
    this.#givenRoot = given
  }

  /** Adds the gaps between two subschemas; returns whether there were none. */
  compare(wanted: Schema, given: Schema, at: string): boolean {
    const want = resolve(wanted, this.#wantedRoot)
    const give = resolve(given, this.#givenRoot)
    const before = this.gaps.length
    if (want === true || give === false) return true
    if (want === false) return this.#gap(at, 'nothing is accepted any more')
    if (this.#isSeen(want, give)) return true
    if (++this.#pairs > maxPairs)
      return this.#gap(at, `the schemas are too large to compare: at most ${maxPairs} pairs`)
    // Equal texts with references may mean different definitions.
    if (isSameJson(want, give) && !JSON.stringify(want).includes('"$ref"')) return true
    this.#compareObjects(want, give === true ? {} : give, at)
    return this.gaps.length === before
  }

  /** A pair that is being compared holds as long as the rest does. */
  #isSeen(want: Schema, give: Schema): boolean {
    const seen = this.#seen.get(want)
    if (seen?.has(give) === true) return true
    if (seen === undefined) this.#seen.set(want, new Set([give]))
    else seen.add(give)
    return false
  }

  #compareObjects(want: SchemaObject, give: SchemaObject, at: string): void {
    for (const [index, part] of listOf(want['allOf']).entries()) this.compare(part, give, `${at}/allOf/${index}`)
    const choices = [...listOf(give['anyOf']), ...listOf(give['oneOf'])]
    if (choices.length > 0 && !this.#holds(want, withoutChoices(give))) {
      for (const [index, choice] of choices.entries()) this.compare(want, choice, `${at}/anyOf/${index}`)
      return
    }
    const narrower = listOf(give['allOf']).find((part) => this.#holds(want, part))
    if (narrower !== undefined) return
    this.#compareAnyOf(want, give, at)
    this.#compareValues(want, give, at)
    const types = typesOf(give)
    if (types.has('object')) this.#compareProperties(want, give, at)
    if (types.has('array')) this.#compareItems(want, give, at)
  }

  /** Whether one of the alternatives accepts all of it. */
  #compareAnyOf(want: SchemaObject, give: SchemaObject, at: string): void {
    const alternatives = listOf(want['anyOf'])
    if (alternatives.length === 0 || alternatives.some((alternative) => this.#holds(alternative, give))) return
    this.#gap(`${at}/anyOf`, 'no alternative accepts all that was accepted before')
  }

  #compareValues(want: SchemaObject, give: SchemaObject, at: string): void {
    const types = typesOf(give)
    const accepted = typesOf(want)
    const refused = [...types].filter((type) => !accepted.has(type))
    if (refused.length > 0) this.#gap(`${at}/type`, `${refused.join(', ')}: not accepted`)
    const values = valuesOf(want)
    if (values !== undefined) {
      const given = valuesOf(give)
      const missing = given?.filter((value) => !values.some((other) => isSameJson(other, value)))
      if (missing === undefined) this.#gap(`${at}/enum`, 'only these values are accepted')
      else if (missing.length > 0) this.#gap(`${at}/enum`, `${JSON.stringify(missing[0])}: not accepted`)
    }
    for (const bound of bounds) if (isAbout(bound[1], types)) this.#compareBound(bound, want, give, at)
    const step = numberOf(want['multipleOf'])
    const givenStep = numberOf(give['multipleOf'])
    if (isAbout('number', types) && step !== undefined && (givenStep === undefined || givenStep % step !== 0))
      this.#gap(`${at}/multipleOf`, 'other numbers were accepted')
    for (const [keyword, type] of equalOnly)
      if (
        want[keyword] !== undefined &&
        (type === undefined || types.has(type)) &&
        !isSameJson(want[keyword], give[keyword])
      )
        this.#gap(`${at}/${keyword}`, 'differs, and what it accepts cannot be compared')
  }

  #compareBound([keyword, , isLower]: Bound, want: SchemaObject, give: SchemaObject, at: string): void {
    const limit = numberOf(want[keyword])
    if (limit === undefined) return
    const other = keyword.startsWith('exclusive') ? keyword : exclusiveOf(keyword)
    const given = [numberOf(give[keyword]), other === undefined ? undefined : numberOf(give[other])].filter(
      (value) => value !== undefined,
    )
    const isWithin = given.some((value) => (isLower ? value >= limit : value <= limit))
    if (!isWithin) this.#gap(`${at}/${keyword}`, `${limit}: more was accepted`)
  }

  #compareProperties(want: SchemaObject, give: SchemaObject, at: string): void {
    const required = textsOf(give['required'])
    for (const name of textsOf(want['required']))
      if (!required.includes(name)) this.#gap(`${at}/required`, `${name}: was not required`)
    const [wanted, given] = [membersOf(want['properties']), membersOf(give['properties'])]
    const [others, givenOthers] = [schemaOf(want['additionalProperties']), schemaOf(give['additionalProperties'])]
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(given)])) {
      const before = this.gaps.length
      const isOpen = given[name] === undefined && givenOthers !== false
      this.compare(wanted[name] ?? others, given[name] ?? givenOthers, `${at}/properties/${name}`)
      if (isOpen && this.gaps.length > before) {
        this.gaps.length = before
        this.#gap(
          `${at}/properties/${name}`,
          'was accepted with any value; objects need additionalProperties: false for this',
        )
      }
    }
    this.compare(others, givenOthers, `${at}/additionalProperties`)
  }

  #compareItems(want: SchemaObject, give: SchemaObject, at: string): void {
    const [wanted, given] = [listOf(want['prefixItems']), listOf(give['prefixItems'])]
    const [others, givenOthers] = [schemaOf(want['items']), schemaOf(give['items'])]
    for (let index = 0; index < Math.max(wanted.length, given.length); index++)
      this.compare(wanted[index] ?? others, given[index] ?? givenOthers, `${at}/prefixItems/${index}`)
    this.compare(others, givenOthers, `${at}/items`)
    if (want['uniqueItems'] === true && give['uniqueItems'] !== true)
      this.#gap(`${at}/uniqueItems`, 'equal items were accepted')
  }

  /** Whether there is no gap, without adding those there are. */
  #holds(wanted: Schema, given: Schema): boolean {
    const probe = new Comparison(this.#wantedRoot, this.#givenRoot)
    probe.#pairs = this.#pairs
    const holds = probe.compare(wanted, given, '')
    this.#pairs = probe.#pairs
    return holds
  }

  #gap(at: string, rule: string): false {
    if (this.gaps.length < maxGaps) this.gaps.push(`${at === '' ? '/' : at}: ${rule}`)
    return false
  }
}

/** Whether a keyword about this type says something about data of these. */
const isAbout = (type: string, types: ReadonlySet<string>): boolean =>
  types.has(type) || (type === 'number' && types.has('integer'))

const exclusiveOf = (keyword: string): string | undefined =>
  ({ minimum: 'exclusiveMinimum', maximum: 'exclusiveMaximum' })[keyword]

/** The types of the data that a schema may accept. A number may be an integer. */
function typesOf(schema: SchemaObject): Set<string> {
  const values = valuesOf(schema)
  if (values !== undefined) return new Set(values.flatMap((value) => withInteger(typeOf(value))))
  const given = schema['type']
  const types = given === undefined ? allTypes : typeof given === 'string' ? [given] : textsOf(given)
  return new Set(types.flatMap(withInteger))
}

/** `number` holds the integers; a schema that accepts integers only is about numbers, too. */
const withInteger = (type: string): string[] => (type === 'number' ? ['number', 'integer'] : [type])

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value
}

function valuesOf(schema: SchemaObject): readonly unknown[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [schema['const']]
  return Array.isArray(schema['enum']) ? schema['enum'] : undefined
}

function withoutChoices(schema: SchemaObject): SchemaObject {
  const { anyOf: _anyOf, oneOf: _oneOf, ...rest } = schema
  return rest
}

const listOf = (value: unknown): readonly Schema[] => (Array.isArray(value) ? value.filter(isSchema) : [])
const isSchema = (value: unknown): value is Schema => typeof value === 'boolean' || isSchemaObject(value)
const schemaOf = (value: unknown): Schema => (isSchema(value) ? value : true)
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []
const membersOf = (value: unknown): Readonly<Record<string, Schema>> =>
  isSchemaObject(value)
    ? Object.fromEntries(Object.entries(value).filter((pair): pair is [string, Schema] => isSchema(pair[1])))
    : {}
