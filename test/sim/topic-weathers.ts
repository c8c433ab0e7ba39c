import type { TopicPlot } from './topic-checks.ts'

const slow = { latencyMs: [1, 80], diskMs: [1, 40] } as const

/** A day on which everything fails now and then, for topics that keep all, the newest, the latest and nothing. */
export const topicStorm: TopicPlot = {
  people: 2,
  channels: ['all:news', 'few:scores', 'brief:cursors', 'passing:taps'],
  gateways: 2,
  publications: 30,
  faults: 6,
  weather: { requestLost: 0.02, answerLost: 0.02, repeated: 0.05, crashAtWrite: 0.01, ...slow },
}

/** The same without calls that come twice: then even what passes by is heard at most once. */
export const topicGale: TopicPlot = { ...topicStorm, weather: { ...topicStorm.weather, repeated: 0 } }

/** More is said in fewer places: what is kept overflows, and lanes are never empty. */
export const topicFlood: TopicPlot = {
  ...topicStorm,
  channels: ['all:news', 'few:scores'],
  publications: 120,
  faults: 12,
}

/** A bad line: clients are cut off again and again, and come back before it was noticed. */
export const topicBadLines: TopicPlot = { ...topicStorm, publications: 40, faults: 40, only: 'cuts', weather: slow }

/** Gateways die again and again while much is said. */
export const topicBadGateways: TopicPlot = { ...topicBadLines, only: 'Gateway' }

/** Topics lose their memory again and again. */
export const topicBadTopics: TopicPlot = { ...topicBadLines, only: 'Topic' }

/** Every machine believes in another time. */
export const topicWrongClocks: TopicPlot = { ...topicStorm, skewMs: 300_000 }

/** Nothing goes wrong, but much is said at once over a slow network. */
export const topicCrowdedDay: TopicPlot = {
  ...topicStorm,
  publications: 120,
  faults: 0,
  weather: { latencyMs: [1, 150], diskMs: [1, 40] },
}

/** A quiet day for going through every write of it. */
export const topicGoodDay: TopicPlot = {
  ...topicStorm,
  channels: ['all:news', 'few:scores'],
  publications: 15,
  faults: 0,
  weather: slow,
}
