import { s } from './dom.ts'

const box = (x: number, y: number, width: number, height: number, fill: string) =>
  s('rect', { x, y, width, height, fill })
const shape = (points: string, fill: string) => s('polygon', { points, fill })

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
