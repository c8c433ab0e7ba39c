import { refuse } from '../protocol/errors.ts'
import { sizes } from '../protocol/limits.ts'
import { recover, type Recovering } from '../protocol/recover.ts'
import type { ClientInfo, Publication } from '../protocol/replies.ts'
import type { PublicationVersion, EphemeralEvent, StreamCommand, StreamResult, TopicRules } from '../protocol/stream.ts'
import type { KnownPlace, LastVersion, PublishKeys, RecentPlaces, TopicLog } from './ports.ts'

/** Everything a batch of commands may read and write. Without history the epoch is "" and nothing is ever appended. */
export interface TopicState {
  readonly epoch: string
  readonly rules: TopicRules
  readonly log: TopicLog
  readonly keys: PublishKeys
  readonly recent: RecentPlaces
  readonly version: LastVersion
  readonly now: number
}

/** The result of a batch: an answer to each command, and the publications and events for every subscriber. */
export interface AppliedCommands extends Recovering {
  readonly results: StreamResult[]
  readonly publications: Publication[]
  readonly events: EphemeralEvent[]
}

type Of<K extends StreamCommand['kind']> = Extract<StreamCommand, { kind: K }>

/** Runs the commands of one call in order. Permissions were checked where the caller's token is known. */
export function applyCommands(topic: TopicState, commands: readonly StreamCommand[]): AppliedCommands {
  const applied: AppliedCommands = { results: [], publications: [], events: [] }
  for (const command of commands) applied.results.push(apply(topic, command, applied))
  return applied
}

function apply(topic: TopicState, command: StreamCommand, applied: AppliedCommands): StreamResult {
  switch (command.kind) {
    case 'subscribe':
      return subscribe(topic, command, applied)
    case 'leave':
      return leave(topic, command, applied)
    case 'infos':
      return { kind: 'done', data: '{}' }
    case 'publish':
      return publish(topic, command, applied)
    case 'send':
    case 'command':
      return refuse('badRequest', 'a plain topic has no messages')
  }
}

function subscribe(
  { epoch, rules, log, now }: TopicState,
  command: Of<'subscribe'>,
  applied: AppliedCommands,
): StreamResult {
  const top = log.top()
  const read = (after: number) => log.range(after, top, sizes.recovered)
  const continued = recover(command.since, { epoch, top, floor: log.floor(now) }, read, applied)
  if (continued.kind === 'refused') return continued
  if (command.announced ?? rules.joinLeave) applied.events.push({ kind: 'join', info: infoOf(command, command.infos) })
  return { ...continued, data: '' }
}

function leave({ rules }: TopicState, command: Of<'leave'>, applied: AppliedCommands): StreamResult {
  if (command.announced ?? rules.joinLeave) applied.events.push({ kind: 'leave', info: infoOf(command, command.infos) })
  return { kind: 'done', data: '{}' }
}

function publish(topic: TopicState, command: Of<'publish'>, applied: AppliedCommands): StreamResult {
  const { idempotencyKey: key, once } = command
  const known =
    (once === undefined ? undefined : topic.recent.find(once)) ??
    (key === undefined ? undefined : topic.keys.find(key, topic.now))
  if (known !== undefined) return done(known)
  const { version } = command
  if (version !== undefined && topic.rules.historySize === 0)
    return refuse('badRequest', 'version: this namespace keeps no history, and so no version')
  if (version !== undefined && isStale(version, topic.version.get())) return done(topOf(topic))

  const place = say(topic, command, applied)
  if (version !== undefined) topic.version.set(version)
  if (once !== undefined) topic.recent.note(once, place)
  if (key !== undefined) topic.keys.note(key, place, topic.now)
  return done(place)
}

/** Whether a publication is no newer than the last one, where their versions can be compared. */
const isStale = ({ version, epoch }: PublicationVersion, last: PublicationVersion | undefined): boolean =>
  last !== undefined && (epoch === '' || epoch === last.epoch) && version <= last.version

const topOf = ({ epoch, log }: TopicState): KnownPlace => ({ offset: log.top(), epoch })

/** Stored before it is published, where history is kept; else only published. */
function say({ epoch, rules, log, now }: TopicState, command: Of<'publish'>, applied: AppliedCommands): KnownPlace {
  const said = toSay(command)
  if (rules.historySize === 0 || command.skipHistory === true) {
    applied.events.push({ kind: 'pub', ...said })
    return { offset: 0, epoch: '' }
  }
  const publication = log.append(said, now)
  applied.publications.push(publication)
  return { offset: publication.offset, epoch }
}

function toSay(command: Of<'publish'>): Omit<Publication, 'offset'> {
  const { data, tags, infos, server } = command
  return {
    data,
    ...(server === true && command.user === '' ? {} : { info: infoOf(command, infos) }),
    ...(tags === undefined ? {} : { tags }),
  }
}

const infoOf = ({ user, client }: StreamCommand, infos: Of<'publish'>['infos']): ClientInfo => ({
  user,
  client,
  ...infos,
})

const done = ({ offset, epoch }: KnownPlace): StreamResult => ({
  kind: 'done',
  data: JSON.stringify({ offset, epoch }),
})
