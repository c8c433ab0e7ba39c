import { isSchemaObject } from '../../../kernel/json-schema/schema.ts'
import { compileSchema } from '../../../kernel/json-schema/validator.ts'

/** Why data does not satisfy the schema of a workflow, or undefined. */
export function badData(schema: unknown, data: unknown): string | undefined {
  if (schema === undefined) return undefined
  if (typeof schema !== 'boolean' && !isSchemaObject(schema)) return undefined
  const bad = compileSchema(schema)(data)
  return bad === undefined || bad.startsWith('data') ? bad : `data: ${bad}`
}
