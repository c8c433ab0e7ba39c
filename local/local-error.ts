/** Why the local system cannot run, as one sentence a person can act on. */
export class LocalError extends Error {
  override readonly name = 'LocalError'
}

/** Why something failed, in one line. */
export const oneLine = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message || thrown.name : String(thrown)).replaceAll(/\s*\n\s*/g, ' ')

/** Ends the process with one clear sentence for what we foresaw, and with everything we know for what we did not. */
export function endWith(thrown: unknown): never {
  const foreseen = thrown instanceof Error && ['LocalError', 'PostgresError'].includes(thrown.name)
  console.error(foreseen ? `parley: ${thrown.message}` : thrown)
  process.exit(1)
}
