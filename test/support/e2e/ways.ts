import { Centrifuge as InJson, type Options, type TransportEndpoint, type TransportName } from 'centrifuge'
import { Centrifuge as InProtobuf } from 'centrifuge/build/protobuf'
import { TinyEventSource } from './event-source.ts'

/** A way to come with the unmodified SDK: a transport, and what is spoken on it. */
export interface Way {
  readonly name: string
  readonly transport: TransportName
  readonly format: 'json' | 'protobuf'
}

/** Every way the SDK knows and we offer, for `describe.each`. */
export const ways: readonly Way[] = [
  { name: 'WebSocket in JSON', transport: 'websocket', format: 'json' },
  { name: 'WebSocket in Protobuf', transport: 'websocket', format: 'protobuf' },
  { name: 'HTTP stream in JSON', transport: 'http_stream', format: 'json' },
  { name: 'HTTP stream in Protobuf', transport: 'http_stream', format: 'protobuf' },
  { name: 'EventSource', transport: 'sse', format: 'json' },
]

/** The SDK, coming that way to the server at `url` (http), after having tried `before`. */
export function clientBy(
  { transport, format }: Way,
  url: string,
  options: Partial<Options> = {},
  before: readonly TransportEndpoint[] = [],
): InJson {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion, typescript/no-unsafe-enum-assignment -- the two builds differ in what they hide
  const Client = (format === 'json' ? InJson : InProtobuf) as typeof InJson
  return new Client([...before, { transport, endpoint: endpointOf(transport, url) }], {
    emulationEndpoint: `${url}/emulation`,
    eventsource: TinyEventSource,
    minReconnectDelay: 50,
    maxReconnectDelay: 300,
    timeout: 20_000,
    ...options,
  })
}

/** Where a transport connects on the server at `url` (http). */
export const endpointOf = (transport: TransportName, url: string): string =>
  transport === 'websocket' ? `${url.replace(/^http/, 'ws')}/connection/websocket` : `${url}/connection/${transport}`

/** Data as one has to give it to the SDK: Protobuf carries bytes. */
export const toData = ({ format }: Way, value: unknown): unknown =>
  format === 'json' ? value : new TextEncoder().encode(JSON.stringify(value))

/** Data as the SDK hands it out, read. */
export const fromData = (data: unknown): unknown =>
  data instanceof Uint8Array ? JSON.parse(new TextDecoder().decode(data)) : data
