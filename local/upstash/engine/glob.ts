import type { Bytes } from '../reply.ts'

const literal = (char: string): string => char.replace(/[\\^$.*+?()[\]{}|/-]/, String.raw`\$&`)

/** Compiles a Redis glob (`*`, `?`, `[a-c]`, `[^a]`, `\x`) for `KEYS` and `SCAN MATCH`. */
export function glob(pattern: Bytes): (subject: Bytes) => boolean {
  let source = ''
  for (let at = 0; at < pattern.length; at += 1) {
    const char = pattern.charAt(at)
    if (char === '*') source += '[^]*'
    else if (char === '?') source += '[^]'
    else if (char === '[') {
      const group = readClass(pattern, at + 1)
      source += group.source
      at = group.end
    } else if (char === '\\' && at + 1 < pattern.length) {
      at += 1
      source += literal(pattern.charAt(at))
    } else source += literal(char)
  }
  const expression = new RegExp(`^${source}$`)
  return (subject) => expression.test(subject)
}

/** Reads a bracket expression. `end` is the index of its last character. An unclosed expression runs to the end. */
function readClass(pattern: Bytes, start: number): { source: string; end: number } {
  const negated = pattern.charAt(start) === '^'
  let at = negated ? start + 1 : start
  let members = ''
  while (at < pattern.length && pattern.charAt(at) !== ']') {
    if (pattern.charAt(at) === '\\' && at + 1 < pattern.length) {
      members += literal(pattern.charAt(at + 1))
      at += 2
    } else if (pattern.charAt(at + 1) === '-' && at + 2 < pattern.length) {
      const [from, to] = [pattern.charAt(at), pattern.charAt(at + 2)].sort()
      members += `${literal(from ?? '')}-${literal(to ?? '')}`
      at += 3
    } else {
      members += literal(pattern.charAt(at))
      at += 1
    }
  }
  if (members === '') return { source: negated ? '[^]' : '[]', end: at }
  return { source: `[${negated ? '^' : ''}${members}]`, end: at }
}
