import { z } from 'zod'

/**
 * A record from outside, of which no field is lost: zod leaves one named `__proto__` out without a word, so that it is
 * refused here.
 */
export function record<V extends z.ZodType>(key: z.ZodString, value: V) {
  const inner = z.record(key, value)
  const { $schema: _, ...values } = z.toJSONSchema(value, { io: 'input', unrepresentable: 'any' })
  return z
    .custom<z.input<typeof inner>>(hasNoProto, '__proto__: cannot be a name')
    .meta({ type: 'object', additionalProperties: values })
    .pipe(inner)
}

const hasNoProto = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || !Object.hasOwn(value, '__proto__')
