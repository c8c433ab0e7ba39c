import { errors, type Refusal } from './errors.ts'
import { unsubscribes, type UnsubscribeName } from './close-codes.ts'

/** The author of a publication, join or leave: `client` is one connection of `user`. */
export interface ClientInfo extends Infos {
  readonly user: string
  readonly client: string
}

/** What tokens publish about a connection and about its subscription, as JSON text. */
export interface Infos {
  readonly connInfo?: string
  readonly chanInfo?: string
}

/**
 * One publication of a stream. `offset` 0 marks an ephemeral one (typing, read): it is pushed but never recovered.
 * `data` is JSON text already, so that it is encoded once for all subscribers.
 */
export interface Publication {
  readonly offset: number
  readonly data: string
  readonly info?: ClientInfo
  readonly tags?: Readonly<Record<string, string>>
}

/** The server's ping, and the only legal empty object from it. */
export const pingFrame = '{}'
/**
 * A push that every SDK ignores: the runtime's answer to a client's pong without waking the object, and a sign of life.
 */
export const ignoredPush = '{"push":{"channel":"_"}}'

/** A success reply; `result` is JSON text of the result object. */
export const encodeReply = (id: number, kind: string, result: string): string => `{"id":${id},"${kind}":${result}}`

/**
 * A refusal as reply. Its message carries the detail, since SDKs show only code and message. `temporary` makes SDKs
 * repeat the command also where the catalogue calls the refusal final.
 */
export function encodeRefusal(
  id: number,
  refusal: Refusal,
  temporary: boolean = errors[refusal.error].temporary,
): string {
  const { code, message } = errors[refusal.error]
  const sentence = refusal.detail === undefined ? message : `${message}: ${refusal.detail}`
  const hint = refusal.retryAfterMs === undefined ? {} : { data: { retryAfterMs: refusal.retryAfterMs } }
  return JSON.stringify({ id, error: { code, message: sentence, ...(temporary ? { temporary } : {}), ...hint } })
}

/** A publication as JSON text of the protocol's Publication. Zero fields are left out, as the protocol wants. */
export function encodePublication({ offset, data, info, tags }: Publication): string {
  const infoPart = info === undefined ? '' : `,"info":${encodeInfo(info)}`
  const offsetPart = offset === 0 ? '' : `,"offset":${offset}`
  const tagsPart = tags === undefined ? '' : `,"tags":${JSON.stringify(tags)}`
  return `{"data":${data}${infoPart}${offsetPart}${tagsPart}}`
}

/** `user` and `client` are always present, also when empty. */
export function encodeInfo({ user, client, connInfo, chanInfo }: ClientInfo): string {
  const connPart = connInfo === undefined ? '' : `,"conn_info":${connInfo}`
  const chanPart = chanInfo === undefined ? '' : `,"chan_info":${chanInfo}`
  return `{"user":${JSON.stringify(user)},"client":${JSON.stringify(client)}${connPart}${chanPart}}`
}

/** JSON text of a HistoryResult. Unlike elsewhere its fields are there also when they are zero. */
export const encodeHistory = (page: {
  readonly publications: readonly Publication[]
  readonly epoch: string
  readonly top: number
}): string =>
  `{"publications":[${page.publications.map(encodePublication).join(',')}],"epoch":${JSON.stringify(page.epoch)},"offset":${page.top}}`

/** A push of one publication. */
export const encodePub = (channel: string, publication: Publication): string =>
  `{"push":{"channel":${JSON.stringify(channel)},"pub":${encodePublication(publication)}}}`

/** A push of a join or leave. */
export const encodePresence = (channel: string, kind: 'join' | 'leave', info: ClientInfo): string =>
  `{"push":{"channel":${JSON.stringify(channel)},"${kind}":{"info":${encodeInfo(info)}}}}`

/** A push that the server ended a subscription. */
export const encodeUnsubscribe = (channel: string, name: UnsubscribeName): string =>
  `{"push":{"channel":${JSON.stringify(channel)},"unsubscribe":${JSON.stringify(unsubscribes[name])}}}`

/** A push that the server ends the connection, for transports that have no close frame. */
export const encodeDisconnect = (code: number, reason: string): string =>
  `{"push":{"disconnect":${JSON.stringify({ code, reason })}}}`

/** A push that the server subscribed a connection; `result` is JSON text of a SubscribeResult. */
export const encodeSubscribe = (channel: string, result: string): string =>
  `{"push":{"channel":${JSON.stringify(channel)},"subscribe":${result}}}`
