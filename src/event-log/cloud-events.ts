import { uuidv7 } from '../kernel/id.ts'
import { encodeWith, isDeeper } from '../kernel/json.ts'
import type { EventAttributes, LogEvent, NewEvent } from '../events/log-event.ts'
import { explain } from '../protocol/explain.ts'
import { cloudEvent, eventBytes, extensionsOf, maxEvents, plainEvent } from '../protocol/events-api.ts'
import { GivenJson, readGiven } from '../protocol/given-json.ts'
import { sizes } from '../protocol/limits.ts'
import { itemTexts } from '../protocol/protobuf/json-text.ts'

/** An event whose publisher may leave its version to the registered type. */
export type GivenEvent = Omit<NewEvent, 'version'> & { readonly version: number | undefined }

/** The events of a request, or why it has none: the field, the rule and the fix. */
export type GivenEvents =
  | { readonly kind: 'events'; readonly events: readonly GivenEvent[] }
  | { readonly kind: 'bad'; readonly detail: string }

const bad = (detail: string): { readonly kind: 'bad'; readonly detail: string } => ({ kind: 'bad', detail })

/** How many events a parsed body has, before any of them is read. */
export const countEvents = (value: unknown): number => (Array.isArray(value) ? value.length : 1)

/** Reads a JSON body: one event or an array of them, each plain or a CloudEvent, which has `specversion`. */
export function readEvents(given: GivenJson, now: number): GivenEvents {
  if (!Array.isArray(given.value)) {
    const one = readEvent(given, now)
    return one.kind === 'bad' ? one : { kind: 'events', events: [one.event] }
  }
  const items: readonly unknown[] = given.value
  if (items.length === 0 || items.length > maxEvents)
    return bad(`events: 1 to ${maxEvents} of them, got ${items.length}`)
  const texts = itemTexts(given.text)
  const events: GivenEvent[] = []
  for (const [index, item] of items.entries()) {
    const one = readEvent(new GivenJson(item, texts[index] ?? 'null'), now)
    if (one.kind === 'bad') return bad(`events.${index}.${one.detail}`)
    events.push(one.event)
  }
  return { kind: 'events', events }
}

type One = { readonly kind: 'event'; readonly event: GivenEvent } | { readonly kind: 'bad'; readonly detail: string }

function readEvent(given: GivenJson, now: number): One {
  const { value } = given
  if (typeof value !== 'object' || value === null) return bad('event: must be a JSON object')
  return Object.hasOwn(value, 'specversion') ? readCloudEvent(given) : readPlainEvent(given, now)
}

function readPlainEvent(given: GivenJson, now: number): One {
  const parsed = readGiven(plainEvent, given)
  if (!parsed.success) return bad(explain(parsed.error))
  const { type, key = null, data = null, version, id = uuidv7(now), time, source, subject } = parsed.data
  return { kind: 'event', event: { source, id, type, key, version, data, attributes: toAttributes({ time, subject }) } }
}

function readCloudEvent(given: GivenJson): One {
  const parsed = readGiven(cloudEvent, given)
  if (!parsed.success) return bad(explain(parsed.error))
  const { source, id, type, version, partitionkey = null, data, data_base64, ...rest } = parsed.data
  const { time, subject, datacontenttype, dataschema } = rest
  const isBase64 = data_base64 !== undefined
  const attributes = toAttributes({
    time,
    subject,
    datacontenttype,
    dataschema,
    isBase64,
    extensions: extensionsOf(rest),
  })
  return {
    kind: 'event',
    event: { source, id, type, key: partitionkey, version, data: data_base64 ?? data ?? null, attributes },
  }
}

interface Carried {
  readonly time?: string | undefined
  readonly subject?: string | undefined
  readonly datacontenttype?: string | undefined
  readonly dataschema?: string | undefined
  readonly isBase64?: boolean
  readonly extensions?: Readonly<Record<string, string | number | boolean>>
}

const toAttributes = ({
  time,
  subject,
  datacontenttype,
  dataschema,
  isBase64,
  extensions = {},
}: Carried): EventAttributes => ({
  ...(time === undefined ? {} : { time }),
  ...(subject === undefined ? {} : { subject }),
  ...(datacontenttype === undefined ? {} : { datacontenttype }),
  ...(dataschema === undefined ? {} : { dataschema }),
  ...(isBase64 === true ? { base64: true } : {}),
  ...(Object.keys(extensions).length === 0 ? {} : { extensions }),
})

const jsonType = /^(?:application\/json|[^;]+\+json)\s*(?:;|$)/i

/** Reads the binary mode of CloudEvents over HTTP: attributes are headers named `ce-…`, the body is the data. */
export function readBinaryEvent(headers: Headers, body: Uint8Array): GivenEvents {
  const attributes: Record<string, unknown> = {}
  for (const [name, value] of headers) {
    if (!name.startsWith('ce-')) continue
    const decoded = percentDecoded(value)
    if (decoded === undefined) return bad(`${name}: not percent-encoded UTF-8`)
    attributes[name.slice(3)] = decoded
  }
  const contentType = headers.get('content-type')
  if (contentType !== null) attributes['datacontenttype'] = contentType
  if (body.byteLength > eventBytes) return bad(`data: at most ${eventBytes} bytes, got ${body.byteLength}`)
  const isJson = contentType === null || jsonType.test(contentType)
  const data = isJson ? jsonOf(body) : toBase64(body)
  if (data === undefined) return bad('data: not JSON; give the media type of the body in Content-Type')
  const read = readCloudEvent(new GivenJson(attributes, () => JSON.stringify(attributes)))
  if (read.kind === 'bad') return bad(`ce-${read.detail}`)
  const { event } = read
  const isBase64 = !isJson && data !== null
  return {
    kind: 'events',
    events: [{ ...event, data, attributes: { ...event.attributes, ...(isBase64 ? { base64: true } : {}) } }],
  }
}

function percentDecoded(value: string): string | undefined {
  try {
    return decodeURIComponent(value)
  } catch {
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/** JSON text, null for an empty body, undefined for one that is not JSON or nested too deep. */
function jsonOf(body: Uint8Array): string | null | undefined {
  if (body.byteLength === 0) return null
  try {
    const text = utf8.decode(body)
    return isDeeper(JSON.parse(text), sizes.dataDepth) ? undefined : text.trim()
  } catch {
    return undefined
  }
}

function toBase64(body: Uint8Array): string | null {
  if (body.byteLength === 0) return null
  let text = ''
  for (const byte of body) text += String.fromCharCode(byte)
  return btoa(text)
}

/** An event as it is handed out: the JSON text of a CloudEvent with `offset`, `version` and `partitionkey`. */
export function encodeEvent(event: LogEvent, failure?: string): string {
  const { offset, at, source, id, type, key, version, data, attributes } = event
  const {
    time = new Date(at).toISOString(),
    subject,
    datacontenttype,
    dataschema,
    base64,
    extensions = {},
  } = attributes
  const members = {
    specversion: '1.0',
    offset,
    source,
    id,
    type,
    time,
    version,
    ...(key === null ? {} : { partitionkey: key }),
    ...(subject === undefined ? {} : { subject }),
    ...(datacontenttype === undefined ? {} : { datacontenttype }),
    ...(dataschema === undefined ? {} : { dataschema }),
    ...extensions,
    ...(failure === undefined ? {} : { failure }),
  }
  if (data === null || failure !== undefined) return encodeWith(members, {})
  return encodeWith(members, base64 === true ? { data_base64: JSON.stringify(data) } : { data })
}
