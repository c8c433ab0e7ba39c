/**
 * The Centrifuge client protocol's Protobuf messages: field numbers and types, package `centrifugal.centrifuge.protocol`.
 * Names are those of the JSON format, so that one parsed command and one written reply serve both. `json` is a `bytes`
 * field that holds JSON text; `list` repeats, `map` goes from string to what it names.
 */
const messages = {
  Command: {
    id: [1, 'uint32'],
    connect: [4, 'ConnectRequest'],
    subscribe: [5, 'SubscribeRequest'],
    unsubscribe: [6, 'UnsubscribeRequest'],
    publish: [7, 'PublishRequest'],
    presence: [8, 'PresenceRequest'],
    presence_stats: [9, 'PresenceStatsRequest'],
    history: [10, 'HistoryRequest'],
    ping: [11, 'PingRequest'],
    send: [12, 'SendRequest'],
    rpc: [13, 'RPCRequest'],
    refresh: [14, 'RefreshRequest'],
    sub_refresh: [15, 'SubRefreshRequest'],
  },
  Reply: {
    id: [1, 'uint32'],
    error: [2, 'Error'],
    push: [4, 'Push'],
    connect: [5, 'ConnectResult'],
    subscribe: [6, 'SubscribeResult'],
    unsubscribe: [7, 'UnsubscribeResult'],
    publish: [8, 'PublishResult'],
    presence: [9, 'PresenceResult'],
    presence_stats: [10, 'PresenceStatsResult'],
    history: [11, 'HistoryResult'],
    ping: [12, 'PingResult'],
    rpc: [13, 'RPCResult'],
    refresh: [14, 'RefreshResult'],
    sub_refresh: [15, 'SubRefreshResult'],
  },
  Error: { code: [1, 'uint32'], message: [2, 'string'], temporary: [3, 'bool'] },
  EmulationRequest: { node: [1, 'string'], session: [2, 'string'], data: [3, 'bytes'] },
  Push: {
    id: [1, 'int64'],
    channel: [2, 'string'],
    pub: [4, 'Publication'],
    join: [5, 'Join'],
    leave: [6, 'Leave'],
    unsubscribe: [7, 'Unsubscribe'],
    message: [8, 'Message'],
    subscribe: [9, 'Subscribe'],
    connect: [10, 'Connect'],
    disconnect: [11, 'Disconnect'],
    refresh: [12, 'Refresh'],
  },
  ClientInfo: { user: [1, 'string'], client: [2, 'string'], conn_info: [3, 'json'], chan_info: [4, 'json'] },
  Publication: {
    data: [4, 'json'],
    info: [5, 'ClientInfo'],
    offset: [6, 'uint64'],
    tags: [7, 'map string'],
    delta: [8, 'bool'],
    time: [9, 'int64'],
    channel: [10, 'string'],
    key: [11, 'string'],
    removed: [12, 'bool'],
    score: [13, 'sint64'],
    epoch: [14, 'string'],
    prev_data: [15, 'json'],
    version: [16, 'uint64'],
  },
  Join: { info: [1, 'ClientInfo'] },
  Leave: { info: [1, 'ClientInfo'] },
  Unsubscribe: { code: [2, 'uint32'], reason: [3, 'string'] },
  Subscribe: {
    recoverable: [1, 'bool'],
    epoch: [4, 'string'],
    offset: [5, 'uint64'],
    positioned: [6, 'bool'],
    data: [7, 'json'],
  },
  Message: { data: [1, 'json'] },
  Connect: {
    client: [1, 'string'],
    version: [2, 'string'],
    data: [3, 'json'],
    subs: [4, 'map SubscribeResult'],
    expires: [5, 'bool'],
    ttl: [6, 'uint32'],
    ping: [7, 'uint32'],
    pong: [8, 'bool'],
    session: [9, 'string'],
    node: [10, 'string'],
    time: [11, 'int64'],
  },
  Disconnect: { code: [1, 'uint32'], reason: [2, 'string'], reconnect: [3, 'bool'] },
  Refresh: { expires: [1, 'bool'], ttl: [2, 'uint32'] },
  ConnectRequest: {
    token: [1, 'string'],
    data: [2, 'json'],
    subs: [3, 'map SubscribeRequest'],
    name: [4, 'string'],
    version: [5, 'string'],
    headers: [6, 'map string'],
    flag: [7, 'int64'],
  },
  ConnectResult: {
    client: [1, 'string'],
    version: [2, 'string'],
    expires: [3, 'bool'],
    ttl: [4, 'uint32'],
    data: [5, 'json'],
    subs: [6, 'map SubscribeResult'],
    ping: [7, 'uint32'],
    pong: [8, 'bool'],
    session: [9, 'string'],
    node: [10, 'string'],
    time: [11, 'int64'],
  },
  RefreshRequest: { token: [1, 'string'] },
  RefreshResult: { client: [1, 'string'], version: [2, 'string'], expires: [3, 'bool'], ttl: [4, 'uint32'] },
  SubscribeRequest: {
    channel: [1, 'string'],
    token: [2, 'string'],
    recover: [3, 'bool'],
    epoch: [6, 'string'],
    offset: [7, 'uint64'],
    data: [8, 'json'],
    positioned: [9, 'bool'],
    recoverable: [10, 'bool'],
    join_leave: [11, 'bool'],
    delta: [12, 'string'],
    tf: [13, 'FilterNode'],
    flag: [14, 'int64'],
    type: [15, 'int32'],
    phase: [16, 'int32'],
    cursor: [17, 'string'],
    limit: [18, 'int32'],
    asc: [19, 'bool'],
  },
  SubscribeResult: {
    expires: [1, 'bool'],
    ttl: [2, 'uint32'],
    recoverable: [3, 'bool'],
    epoch: [6, 'string'],
    publications: [7, 'list Publication'],
    recovered: [8, 'bool'],
    offset: [9, 'uint64'],
    positioned: [10, 'bool'],
    data: [11, 'json'],
    was_recovering: [12, 'bool'],
    delta: [13, 'bool'],
    id: [14, 'int64'],
    type: [15, 'int32'],
    phase: [16, 'int32'],
    cursor: [17, 'string'],
    state: [18, 'list Publication'],
    publish_debounce: [19, 'uint32'],
  },
  KeyedItem: { key: [1, 'string'], version: [2, 'uint64'] },
  TrackBatch: { signature: [1, 'string'], items: [2, 'list KeyedItem'] },
  SubRefreshRequest: {
    channel: [1, 'string'],
    token: [2, 'string'],
    type: [3, 'int32'],
    track: [4, 'list TrackBatch'],
    untrack: [5, 'list string'],
  },
  SubRefreshResult: { expires: [1, 'bool'], ttl: [2, 'uint32'], items: [3, 'list Publication'] },
  UnsubscribeRequest: { channel: [1, 'string'] },
  UnsubscribeResult: {},
  PublishRequest: {
    channel: [1, 'string'],
    data: [2, 'json'],
    type: [3, 'int32'],
    key: [4, 'string'],
    removed: [5, 'bool'],
  },
  PublishResult: {},
  PresenceRequest: { channel: [1, 'string'] },
  PresenceResult: { presence: [1, 'map ClientInfo'] },
  PresenceStatsRequest: { channel: [1, 'string'] },
  PresenceStatsResult: { num_clients: [1, 'uint32'], num_users: [2, 'uint32'] },
  StreamPosition: { offset: [1, 'uint64'], epoch: [2, 'string'] },
  HistoryRequest: { channel: [1, 'string'], limit: [7, 'int32'], since: [8, 'StreamPosition'], reverse: [9, 'bool'] },
  HistoryResult: { publications: [1, 'list Publication'], epoch: [2, 'string'], offset: [3, 'uint64'] },
  PingRequest: {},
  PingResult: {},
  RPCRequest: { data: [1, 'json'], method: [2, 'string'] },
  RPCResult: { data: [1, 'json'] },
  SendRequest: { data: [1, 'json'] },
  FilterNode: {
    op: [1, 'string'],
    key: [2, 'string'],
    cmp: [3, 'string'],
    val: [4, 'string'],
    vals: [5, 'list string'],
    nodes: [6, 'list FilterNode'],
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, readonly [number, string]>>>>

/** The name of a message of the protocol. */
export type MessageName = keyof typeof messages

const scalars = ['string', 'bytes', 'json', 'bool', 'uint32', 'int32', 'int64', 'uint64', 'sint64'] as const
/** The wire type of a value that is no message. */
export type Scalar = (typeof scalars)[number]

/** One field: its number, whether it comes once, repeats or is a map by string, and what its values are. */
export interface Field {
  readonly name: string
  readonly number: number
  readonly shape: 'one' | 'list' | 'map'
  readonly type: Scalar | MessageType
}

/** A message's fields, by the name JSON knows them by and by the number Protobuf does. */
export interface MessageType {
  readonly name: MessageName
  readonly byName: ReadonlyMap<string, Field>
  readonly byNumber: ReadonlyMap<number, Field>
}

const types = new Map<string, MessageType>()

/** The message of that name, with all it refers to. */
export function messageType(name: MessageName): MessageType {
  const known = types.get(name)
  if (known !== undefined) return known
  const byName = new Map<string, Field>()
  const byNumber = new Map<number, Field>()
  const type = { name, byName, byNumber }
  types.set(name, type)
  for (const [field, [number, words]] of Object.entries(messages[name])) {
    const built = { name: field, number, ...shapeOf(words) }
    byName.set(field, built)
    byNumber.set(number, built)
  }
  return type
}

function shapeOf(words: string): Pick<Field, 'shape' | 'type'> {
  const [first = '', second] = words.split(' ')
  if (second === undefined) return { shape: 'one', type: typeNamed(first) }
  return { shape: first === 'map' ? 'map' : 'list', type: typeNamed(second) }
}

function typeNamed(name: string): Scalar | MessageType {
  const scalar = scalars.find((known) => known === name)
  if (scalar !== undefined) return scalar
  if (isMessageName(name)) return messageType(name)
  throw new Error(`the protocol has no message ${name}`)
}

const isMessageName = (name: string): name is MessageName => Object.hasOwn(messages, name)

/** Every message's name. */
export const messageNames: readonly MessageName[] = Object.keys(messages).filter(isMessageName)
