import { z } from 'zod'

/** A JSON Schema as far as the document looks into it. */
export interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly description?: string
}

type Side = 'input' | 'output'

/**
 * The named schemas of an OpenAPI document. A schema with an `id` in its metadata keeps that name wherever it occurs. Where
 * the form that is accepted differs from the form that is answered, the accepted form is named `<id>Input`.
 */
export class Components {
  readonly #schemas: Readonly<Record<Side, Map<string, object>>> = { input: new Map(), output: new Map() }
  readonly #names = new Map<z.ZodType, string>()

  /** A reference to a schema of request bodies; `name` is for a schema without a name of its own. */
  input(schema: z.ZodType, name: string): object {
    return this.#reference(schema, name, 'input')
  }

  /** A reference to a schema of answers. */
  output(schema: z.ZodType, name: string): object {
    return this.#reference(schema, name, 'output')
  }

  /** A schema in place, for parameters. */
  inline(schema: z.ZodType): JsonSchema {
    const { $defs = {}, ...rest } = convert(schema, 'input')
    for (const [id, definition] of Object.entries($defs)) this.#schemas.input.set(id, definition)
    return withReferences(rest, 'input')
  }

  /** Settles the names: `text` is JSON with references to them. */
  resolve(text: string): { readonly text: string; readonly schemas: Readonly<Record<string, unknown>> } {
    const { input, output } = this.#schemas
    const differing = new Set([...input].filter(([id, one]) => isOther(one, output.get(id))).map(([id]) => id))
    const nameOf = (side: Side, id: string) => (side === 'input' && differing.has(id) ? `${id}Input` : id)
    const settle = (json: string) =>
      json.replaceAll(/"#\/(input|output)\/(\w+)"/g, (_, side: Side, id: string) =>
        JSON.stringify(`#/components/schemas/${nameOf(side, id)}`),
      )
    const all = (['output', 'input'] as const).flatMap((side) =>
      [...this.#schemas[side]].map(([id, one]): [string, unknown] => [
        nameOf(side, id),
        JSON.parse(settle(JSON.stringify(withReferences(one, side)))),
      ]),
    )
    return {
      text: settle(text),
      schemas: Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1))),
    }
  }

  #reference(schema: z.ZodType, name: string, side: Side): object {
    const { $ref, $defs = {}, ...rest } = convert(schema, side)
    for (const [id, definition] of Object.entries($defs)) this.#schemas[side].set(id, definition)
    if ($ref !== undefined) return withReferences({ $ref }, side)
    const known = this.#names.get(schema) ?? name
    this.#names.set(schema, known)
    this.#schemas[side].set(known, rest)
    return { $ref: `#/${side}/${known}` }
  }
}

const isOther = (one: object, other: object | undefined): boolean =>
  other !== undefined && JSON.stringify(one) !== JSON.stringify(other)

/** References within a schema, marked by the side it is on until names are settled. */
const withReferences = <T extends object>(schema: T, side: Side): T =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', `"#/${side}/`))

interface Converted extends JsonSchema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, object>>
}

/** A record whose keys are known words is an object with these members. */
function nameMembers(schema: z.core.JSONSchema.BaseSchema): void {
  const { propertyNames, additionalProperties } = schema
  const names = typeof propertyNames === 'object' ? propertyNames.enum : undefined
  if (names === undefined || typeof additionalProperties !== 'object') return
  schema.properties = Object.fromEntries(names.map((name) => [String(name), additionalProperties]))
  schema.additionalProperties = false
  delete schema.propertyNames
}

/** A schema as JSON Schema 2020-12, without the bounds that every integer of JavaScript has. */
function convert(schema: z.ZodType, io: Side): Converted {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      nameMembers(jsonSchema)
      // Answers may get further fields.
      if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
    },
  })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what z.toJSONSchema writes
  return json as Converted
}
