/** Those of one key's jobs, in the order their effects were made, that came before one they should have followed. */
export const overtaken = (ids: readonly string[], placeOf: (id: string) => number): string[] =>
  ids.filter((id, n) => n > 0 && !(placeOf(ids[n - 1] ?? '') < placeOf(id)))
