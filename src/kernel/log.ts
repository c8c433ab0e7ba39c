/** What a log line may hold: names and figures, never message bodies, tokens or keys. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>

const line = (level: string, event: string, fields: Fields) => JSON.stringify({ level, event, ...fields })

/** Structured logging; the only user of the console. `event` is a fixed dotted name, context first. */
export const log = {
  // oxlint-disable-next-line no-console -- the only user of the console
  info: (event: string, fields: Fields = {}) => console.info(line('info', event, fields)),
  // oxlint-disable-next-line no-console -- the only user of the console
  warn: (event: string, fields: Fields = {}) => console.warn(line('warn', event, fields)),
  // oxlint-disable-next-line no-console -- the only user of the console
  error: (event: string, fields: Fields = {}) => console.error(line('error', event, fields)),
}

/** The message of a thrown value. */
export const reasonOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
