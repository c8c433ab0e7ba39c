const unitMs = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

const wholeDuration = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/
const eachPart = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g

/** Milliseconds of a duration such as `10s`, `1d10h30m` or `6m5s`; undefined when it is not one. */
export function parseDuration(text: string): number | undefined {
  if (!wholeDuration.test(text)) return undefined

  let total = 0
  for (const [, amount, unit] of text.matchAll(eachPart)) total += Number(amount) * (unitMs.get(unit ?? '') ?? 0)
  return total
}
