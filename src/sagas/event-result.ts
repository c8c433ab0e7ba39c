import type { LogEvent } from '../events/log-event.ts'

/** What a step that waited for an event has as its result. */
export const eventResult = ({ id, type, key, data, attributes, offset, at }: LogEvent) => ({
  id,
  type,
  key: key ?? null,
  data: data === null || attributes.base64 === true ? data : parse(data),
  offset,
  at,
})

const parse = (text: string): unknown => JSON.parse(text)
