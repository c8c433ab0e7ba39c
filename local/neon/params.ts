/**
 * A query parameter as Postgres reads it. The SDK sends text already; other callers may send JSON values, which
 * Neon's proxy turns into text the same way (`proxy/src/serverless/json.rs`).
 */
export function paramToText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return arrayToText(value)
  return JSON.stringify(value)
}

/** Postgres' array syntax; text is quoted always, so that `NULL`, commas and braces inside it stay text. */
function arrayToText(values: readonly unknown[]): string {
  return `{${values.map(elementToText).join(',')}}`
}

function elementToText(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  if (Array.isArray(value)) return arrayToText(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}
