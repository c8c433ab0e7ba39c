/**
 * Reads JSON that the same actor wrote into its own storage as a T. It is not checked again: no other code writes there, and the value
 * had its type when it was written. For shapes that older versions wrote differently, use a schema or an upcaster instead.
 */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unnecessary-type-parameters -- the caller wrote it
export const parseStored = <T>(text: string): T => JSON.parse(text) as T
