/** Whether arrays and objects are nested more than `levels` deep. Looks no deeper than that itself. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}

/**
 * The JSON texts that follow each other in `text`, separated by white space or nothing. Only arrays and objects are
 * looked for: text outside of them, or one that is not closed, becomes a piece that is not JSON.
 */
export function splitJson(text: string): string[] {
  const pieces: string[] = []
  let start = 0
  let depth = 0
  let isString = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (isString) {
      if (character === '\\') at++
      else if (character === '"') isString = false
    } else if (character === '"') isString = true
    else if (character === '{' || character === '[') depth++
    else if ((character === '}' || character === ']') && --depth === 0) {
      pieces.push(text.slice(start, at + 1))
      start = at + 1
    }
  }
  const rest = text.slice(start)
  return rest.trim() === '' ? pieces : [...pieces, rest]
}

/** JSON text of `object`, with further members behind its own whose values are JSON text already; undefined ones are left out. */
export function encodeWith(object: object, texts: Readonly<Record<string, string | undefined>>): string {
  let text = JSON.stringify(object).slice(0, -1)
  for (const [name, value] of Object.entries(texts))
    if (value !== undefined) text += `${text === '{' ? '' : ','}${JSON.stringify(name)}:${value}`
  return `${text}}`
}
