import { h } from './dom.ts'

const address = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/g

/** Text as nodes: addresses become links, everything else stays text. */
export function prose(text: string): readonly (Node | string)[] {
  const nodes: (Node | string)[] = []
  let done = 0
  for (const found of text.matchAll(address)) {
    const [url] = found
    nodes.push(text.slice(done, found.index), link(url))
    done = found.index + url.length
  }
  nodes.push(text.slice(done))
  return nodes.filter((node) => node !== '')
}

const link = (url: string): Node => h('a', { href: url, target: '_blank', rel: 'noopener noreferrer nofollow' }, url)
