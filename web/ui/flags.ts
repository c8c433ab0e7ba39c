import { s } from './dom.ts'

/** Every person sails under a flag of their own: one of these patterns in one pair of colours. */
type Pattern = (a: string, b: string) => readonly Element[]

const box = (x: number, y: number, width: number, height: number, fill: string) =>
  s('rect', { x, y, width, height, fill })
const shape = (points: string, fill: string) => s('polygon', { points, fill })

const patterns: readonly Pattern[] = [
  (a, b) => [box(0, 0, 24, 24, a), box(7, 7, 10, 10, b)],
  (a, b) => [box(0, 0, 12, 24, a), box(12, 0, 12, 24, b)],
  (a, b) => [box(0, 0, 24, 12, a), box(0, 12, 24, 12, b)],
  (a, b) => [box(0, 0, 24, 24, a), shape('0,0 24,24 0,24', b)],
  (a, b) => [box(0, 0, 24, 24, a), box(12, 0, 12, 12, b), box(0, 12, 12, 12, b)],
  (a, b) => [
    box(0, 0, 24, 24, a),
    shape('0,0 5,0 24,19 24,24 19,24 0,5', b),
    shape('24,0 24,5 5,24 0,24 0,19 19,0', b),
  ],
  (a, b) => [box(0, 0, 24, 24, a), box(9, 0, 6, 24, b), box(0, 9, 24, 6, b)],
  (a, b) => [box(0, 0, 24, 24, a), box(8, 0, 8, 24, b)],
  (a, b) => [box(0, 0, 24, 24, a), box(0, 8, 24, 8, b)],
  (a, b) => [box(0, 0, 24, 24, a), s('circle', { cx: 12, cy: 12, r: 6, fill: b })],
  (a, b) => [box(0, 0, 24, 24, a), shape('12,1 23,12 12,23 1,12', b)],
  (a, b) => [
    box(0, 0, 24, 24, a),
    shape('0,0 8,0 0,8', b),
    shape('16,0 24,0 0,24 0,16', b),
    shape('24,8 24,16 16,24 8,24', b),
  ],
]

const pairs: readonly (readonly [string, string])[] = [
  ['#1f4e79', '#f4f1e8'],
  ['#c2452d', '#f4f1e8'],
  ['#e0a526', '#1f3b57'],
  ['#2f7f79', '#f4f1e8'],
  ['#1f3b57', '#e0a526'],
  ['#c2452d', '#e9b949'],
  ['#2f7f79', '#f0c75e'],
  ['#f0c75e', '#c2452d'],
  ['#4d6d8f', '#f0ddc0'],
  ['#7d3b3b', '#e8cfae'],
]

/** The flag of one name: the same wherever it is shown. It says nothing that the name beside it does not say. */
export function flag(name: string): SVGSVGElement {
  const hash = hashOf(name)
  const pattern = patterns[hash % patterns.length]
  const [a, b] = pairs[Math.floor(hash / patterns.length) % pairs.length] ?? ['#1f4e79', '#f4f1e8']
  return drawing('flag', pattern?.(a, b) ?? [])
}

/** A channel has no flag but its sign. */
export const channelSign = (): SVGSVGElement =>
  drawing('flag channel-sign', [
    box(0, 0, 24, 24, 'currentColor'),
    s('path', { d: 'M10 6 8.5 18M15.500 6 14 18M6.500 10h12M5.500 14h12', class: 'sign' }),
  ])

const blue = '#1f4e79'
const [red, yellow, white, black] = ['#c2452d', '#e9b949', '#f7f4ec', '#20262d']

/** P, A, R, L, E, Y in the International Code of Signals. */
export const hoist = (): readonly SVGSVGElement[] => [
  drawing('flag', [box(0, 0, 24, 24, blue), box(7, 7, 10, 10, white)]),
  drawing('flag', [box(0, 0, 12, 24, white), shape('12,0 24,0 18,12 24,24 12,24', blue)]),
  drawing('flag', [box(0, 0, 24, 24, red), box(9, 0, 6, 24, yellow), box(0, 9, 24, 6, yellow)]),
  drawing('flag', [box(0, 0, 24, 24, yellow), box(12, 0, 12, 12, black), box(0, 12, 12, 12, black)]),
  drawing('flag', [box(0, 0, 24, 12, blue), box(0, 12, 24, 12, red)]),
  drawing('flag', [
    box(0, 0, 24, 24, yellow),
    shape('0,0 6,0 0,6', red),
    shape('12,0 18,0 0,18 0,12', red),
    shape('24,0 24,6 6,24 0,24', red),
    shape('24,12 24,18 18,24 12,24', red),
  ]),
]

const drawing = (name: string, parts: readonly Element[]): SVGSVGElement =>
  s('svg', { class: name, viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' }, ...parts)

/** FNV-1a, mixed once more so that names differing in one letter get flags that differ in more than colour. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}

/** One of eight ink colours for a name, as a class. */
export const inkOf = (name: string): string => `ink-${hashOf(name) % 8}`
