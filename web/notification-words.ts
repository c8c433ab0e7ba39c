import type { Notification } from '../sdk/index.ts'

/** What the bell says of a feed, in the words of its label and the number beside it. */
export function bellWords(unseen: number): { readonly label: string; readonly badge: string } {
  if (unseen === 0) return { label: 'Notifications', badge: '' }
  return { label: `Notifications, ${unseen} new`, badge: unseen > 99 ? '99+' : String(unseen) }
}

/** Where a notification leads: its conversation in this page, or an address of the web; undefined for none, or for any other kind of address. */
export function targetOf({ conversation, url }: Pick<Notification, 'conversation' | 'url'>): string | undefined {
  if (conversation !== '') return `#/c/${encodeURIComponent(conversation)}`
  return url !== undefined && /^https?:\/\//i.test(url) ? url : undefined
}
