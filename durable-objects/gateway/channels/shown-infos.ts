import { parseChannel } from '../../../src/protocol/channels.ts'
import { infosOf } from '../../../src/realtime/hub.ts'
import type { Session, SubscriptionTerms } from '../../../src/realtime/session.ts'
import type { ChannelClient } from './channel-client.ts'

/** The public info of a connection changed: its channels are notified, where presence shows it. */
export function infoChanged(channels: ChannelClient, session: Session): void {
  for (const channel of session.subscriptions.keys()) tellInfos(channels, session, channel)
}

/** Changes the terms of a subscription. */
export function setTerms(channels: ChannelClient, session: Session, channel: string, terms: SubscriptionTerms): void {
  const before = session.subscriptions.get(channel)?.terms
  channels.hub.setTerms(session, channel, terms)
  if (before?.chanInfo !== terms.chanInfo || before?.hidden !== terms.hidden) tellInfos(channels, session, channel)
}

function tellInfos(channels: ChannelClient, session: Session, channel: string): void {
  const kind = parseChannel(channel)?.kind
  if (kind !== 'conversation' && kind !== 'topic') return
  const terms = session.subscriptions.get(channel)?.terms
  const hidden = terms?.hidden === true
  channels.calls.execute(session, channel, { kind: 'infos', infos: infosOf(session, terms), hidden }, () => undefined)
}
