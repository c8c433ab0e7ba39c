import { z } from 'zod'
import type { RenderedContent } from '../templates/template.ts'
import { Unsendable } from './provider.ts'

/** The address of an incoming webhook. It is a secret: who has it can post. */
export const hookUrl = z.string().max(2048)

const hookTarget = z.looseObject({ url: hookUrl })

/** The recipient's own webhook, else the provider's, which leads to one channel for all. */
export function hookUrlOf(to: unknown, url: string | undefined): string {
  const target = hookTarget.safeParse(to)
  if (target.success) return target.data.url
  if (url === undefined)
    throw new Unsendable('address: {"url": …} of the target is missing, and the provider has no url')
  return url
}

/** Title and body, in the notation of a chat. */
export function titled(
  { title, body }: RenderedContent,
  bold: (title: string) => string,
  plain: (body: string) => string = (text) => text,
): string {
  return title === undefined || title === '' ? plain(body) : `${bold(title)}\n${plain(body)}`
}
