/** The sizes that all interfaces share; also sent to clients in the connect result. Bytes are UTF-8. */
export const sizes = {
  /** One WebSocket frame from a client. */
  frameBytes: 65_536,
  /** One HTTP request body. */
  bodyBytes: 262_144,
  /** A message's text. */
  textBytes: 16_384,
  /** A message's free `data`, as JSON. */
  dataBytes: 16_384,
  /** Levels of arrays and objects within each other in `data`. */
  dataDepth: 32,
  /** A clientId, chosen by the sender. */
  clientIdLength: 64,
  /** A user id, chosen by the tenant. */
  userLength: 128,
  /** A conversation's name. */
  nameLength: 200,
  /** A conversation's topic. */
  topicLength: 500,
  /** Members given in one request, and in one conversation. */
  members: 10_000,
  /** A reaction, in UTF-16 units. */
  reactionLength: 64,
  /** Different reactions to one message, and those of one user. */
  reactions: 100,
  ownReactions: 20,
  /** Pins of a conversation that are not over. */
  pins: 100,
  /** Users that replied that the root of a thread names. */
  shownRepliers: 5,
  /** Messages of a conversation that grow at a time, and those of one author. */
  streamingMessages: 20,
  ownStreamingMessages: 5,
  /** Subscriptions on one connection. */
  channels: 128,
  /** Publications returned when a subscription recovers; beyond it the client pages through history. */
  recovered: 500,
  /** Publications in one page of history. */
  historyPage: 300,
} as const

/** Characters of a token, wherever it is sent: on connect, on subscribe and over HTTP. */
export const tokenLength = 8192

/**
 * Bytes of JSON that a token may publish about a connection, or about a subscription: they are kept in socket
 * attachments.
 */
export const infoBytes = 1024
