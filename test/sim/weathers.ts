import type { Plot } from './story.ts'

/** A day on which everything fails now and then: the network, the disks, the processes, the lines to people. */
export const storm: Plot = {
  people: 3,
  conversations: 1,
  gateways: 2,
  messages: 12,
  faults: 6,
  links: false,
  weather: {
    requestLost: 0.02,
    answerLost: 0.02,
    repeated: 0.05,
    crashAtWrite: 0.01,
    latencyMs: [1, 80],
    diskMs: [1, 40],
  },
}

/** The same with more people, more to say and more that goes wrong. */
export const bigStorm: Plot = { ...storm, people: 4, conversations: 2, messages: 30, faults: 12 }

/** A good day with a slow network, on which actors fall asleep but nothing dies by chance. */
export const goodDay: Plot = {
  ...storm,
  messages: 20,
  faults: 0,
  weather: { latencyMs: [1, 80], diskMs: [1, 40] },
}

/** A bad line: clients are cut off again and again, and come back before it was noticed. */
export const badLines: Plot = {
  ...storm,
  messages: 40,
  faults: 40,
  only: 'cuts',
  weather: { latencyMs: [1, 80], diskMs: [1, 40] },
}

/** Gateways die again and again while much is said. */
export const badGateways: Plot = { ...badLines, only: 'gateways' }

/** Nothing goes wrong, but much is said at once over a slow network: calls, answers and news overtake one another. */
export const crowdedDay: Plot = {
  ...storm,
  people: 4,
  messages: 150,
  faults: 0,
  weather: { latencyMs: [1, 150], diskMs: [1, 40] },
}

/** Every machine believes in another time: minutes lie between them. */
export const wrongClocks: Plot = { ...storm, skewMs: 300_000 }

/** Seeds take turns with and without links, sockets between actors. */
export const linked = (plot: Plot, seed: number): Plot => ({ ...plot, links: seed % 2 === 0 })
