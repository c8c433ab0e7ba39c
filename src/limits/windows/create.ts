import type { Algorithm, Window } from '../rules.ts'
import { Bucket } from './bucket.ts'
import { Concurrency } from './concurrency.ts'
import { FixedWindow } from './fixed-window.ts'
import type { WindowCounter } from './window-counter.ts'
import { SlidingWindow } from './sliding-window.ts'

type Maker = (window: Window, saved?: readonly number[]) => WindowCounter

const makers: Readonly<Record<Algorithm, Maker>> = {
  'token-bucket': (window, saved) => new Bucket(window, saved),
  gcra: (window, saved) => new Bucket(window, saved),
  'sliding-window': (window, saved) => new SlidingWindow(window, saved),
  'fixed-window': (window, saved) => new FixedWindow(window, saved),
  concurrency: (window) => new Concurrency(window),
}

/** The counter of a window, fresh or continuing from what a counter of the same window saved. */
export const createWindowCounter: Maker = (window, saved) => makers[window.algorithm](window, saved)
