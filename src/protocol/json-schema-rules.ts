/**
 * Rules between fields, as JSON Schema says them. Schemas carry them beside the check in code (`refine`), so that a body that
 * is valid by the published schema is not refused by a rule that only the code knows.
 */

const withField = (name: string, value: string) => ({ properties: { [name]: { const: value } }, required: [name] })
/** The field is given. A field that a rule requires is named among its properties as well, as validators of OpenAPI want. */
const given = (...fields: readonly string[]) => ({
  required: [...fields],
  properties: Object.fromEntries(fields.map((field) => [field, {}])),
})
const absent = (...fields: readonly string[]) => ({
  not: fields.length === 1 ? given(...fields) : { anyOf: fields.map((field) => given(field)) },
})

/** When `field` has this value, `rule` holds. */
export const whenField = (field: string, value: string, rule: object) => ({
  anyOf: [{ not: withField(field, value) }, rule],
})
/** `rule` holds when `field` has this value, `otherwise` when it has another or none. */
export const byField = (field: string, value: string, rule: object, otherwise: object) => ({
  anyOf: [{ allOf: [withField(field, value), rule] }, { allOf: [{ not: withField(field, value) }, otherwise] }],
})
/** None of the fields is given. */
export const without = absent
/** The field is given. */
export const needs = (field: string) => given(field)
/** At most one of two fields is given. */
export const notBoth = (one: string, other: string) => ({ not: given(one, other) })
/** Exactly one of the fields is given. */
export const oneOf = (...fields: readonly string[]) => ({ oneOf: fields.map(needs) })
/** At least one of the fields is given. */
export const anyOf = (...fields: readonly string[]) => ({ anyOf: fields.map(needs) })
/** Each of the fields needs `needed` beside it. */
export const dependent = (needed: string, ...fields: readonly string[]) => ({
  dependentRequired: Object.fromEntries(fields.map((field) => [field, [needed]])),
})
