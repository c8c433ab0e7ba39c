import { z } from 'zod'
import { deliveredWith, gone, membersOf, refused } from './answers.ts'
import { providerType, Unsendable } from './provider.ts'

/** A phone number in E.164. */
export const phonePattern = /^\+[1-9]\d{6,14}$/

/** Codes of Twilio's error dictionary for a number that cannot be reached: not a number, unsubscribed (STOP), not a mobile. */
const goneCodes = new Set([21211, 21214, 21217, 21610, 21614])
/** Characters of a message that Twilio sends in parts, at most. */
const maxLength = 1600
const usualUrl = 'https://api.twilio.com'

/**
 * Twilio, "Create a Message" (2010-04-01), and services with the same API by their own `url`. It has no idempotency keys for
 * messages.
 */
export const twilio = providerType({
  channel: 'sms',
  isIdempotent: false,
  credentials: z.strictObject({
    accountSid: z.string().regex(/^[\w-]{1,64}$/, 'letters, digits, _ and - only'),
    authToken: z.string().min(1).max(200),
    /** Instead of the account's own token. */
    apiKeySid: z.string().max(64).exactOptional(),
    messagingServiceSid: z.string().max(64).exactOptional(),
    url: z.string().max(2048).exactOptional(),
  }),
  urlOf: ({ url }) => url,
  hostOf: ({ url = usualUrl }) => new URL(url).host,
  prepare: ({ to, from, content }, { accountSid, authToken, apiKeySid, messagingServiceSid, url }) => {
    if (typeof to !== 'string' || !phonePattern.test(to))
      throw new Unsendable('phone: not a number in E.164, +15551234567')
    if (from === undefined && messagingServiceSid === undefined)
      throw new Unsendable('from: the provider has no sender; give `from` or credentials.messagingServiceSid')
    const form = new URLSearchParams({ To: to, Body: content.body.slice(0, maxLength) })
    if (messagingServiceSid === undefined) form.set('From', from ?? '')
    else form.set('MessagingServiceSid', messagingServiceSid)
    return {
      url: `${(url ?? usualUrl).replace(/\/$/, '')}/2010-04-01/Accounts/${accountSid}/Messages.json`,
      method: 'POST',
      headers: {
        authorization: `Basic ${btoa(`${apiKeySid ?? accountSid}:${authToken}`)}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: form.toString(),
    }
  },
  read: (answer) => {
    const { sid, code } = membersOf(answer.text)
    if (answer.status === 400 && typeof code === 'number') return goneCodes.has(code) ? gone(answer) : refused(answer)
    return deliveredWith(answer, sid)
  },
})
