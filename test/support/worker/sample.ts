import { z } from 'zod'

/** Values that mean something, by the name of their field. */
export type Named = Readonly<Record<string, unknown>>

const shape = z.looseObject({
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  allOf: z.array(z.unknown()).optional(),
  type: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  items: z.unknown().optional(),
  minimum: z.number().optional(),
  minItems: z.number().optional(),
})

/** The least that fits a schema: what is required and nothing else, named fields as given. */
export function sampleOf(schema: z.ZodType, named: Named): unknown {
  return fitting(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), named)
}

function fitting(described: unknown, named: Named): unknown {
  const schema = shape.parse(described)
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  if (schema.type === 'object') return objectOf(schema, named)
  const [choice] = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? []
  if (choice !== undefined) return fitting(choice, named)
  if (schema.type === 'array') return schema.minItems === undefined ? [] : [fitting(schema.items, named)]
  if (schema.type === 'integer' || schema.type === 'number') return Math.max(1, schema.minimum ?? 1)
  return schema.type === 'boolean' ? true : 'sample'
}

function objectOf({ properties = {}, required = [] }: z.output<typeof shape>, named: Named): object {
  return Object.fromEntries(
    required.map((field) => [field, Object.hasOwn(named, field) ? named[field] : fitting(properties[field], named)]),
  )
}
