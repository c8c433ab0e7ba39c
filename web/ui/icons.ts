import { s } from './dom.ts'

const paths = {
  back: 'M15 5l-7 7 7 7',
  plus: 'M12 5v14M5 12h14',
  send: 'M4.500 12 19.500 5l-4 14.500-4.300-6zM11.200 13.500 19.500 5',
  people:
    'M9 11a3.200 3.200 0 1 0 0-6.400A3.200 3.200 0 0 0 9 11Zm-6 8c.4-3.300 2.800-5.200 6-5.200s5.600 1.900 6 5.200M15.500 5a3 3 0 0 1 0 5.700M18 13.900c1.800.7 2.900 2.400 3.200 4.800',
  more: 'M6 12h.01M12 12h.01M18 12h.01',
  down: 'M12 5v13M6 12.500l6 6 6-6',
  bell: 'M6 16.500V11a6 6 0 0 1 12 0v5.500l1.500 2h-15ZM10 21h4',
  close: 'M6 6l12 12M18 6 6 18',
  reply: 'M10 7 5 12l5 5M5.500 12H14a5 5 0 0 1 5 5v1.500',
  thread: 'M5 5.500h14v9.500h-8l-4 3.500V15H5Z',
  smile:
    'M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM8.500 14c.8 1.500 2 2.200 3.500 2.200s2.700-.7 3.500-2.200M9.200 10h.01M14.800 10h.01',
  pin: 'M9 4h6l-.7 6 3.200 3.500h-11L9.700 10ZM12 13.500V20',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  clock: 'M12 7.500V12l3 2M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16Z',
  alert: 'M12 8v5M12 16.200h.01M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16Z',
  leave: 'M14 5h4v14h-4M4 12h10M10.500 8 14 12l-3.500 4',
} as const

/** The name of an icon. */
export type IconName = keyof typeof paths

/** A line icon in the colour of the text. The caller adds the accessible name. */
export const icon = (name: IconName): SVGSVGElement =>
  s(
    'svg',
    { class: `icon icon-${name}`, viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false' },
    s('path', { d: paths[name] }),
  )
