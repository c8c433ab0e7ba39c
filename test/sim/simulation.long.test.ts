import { test } from 'vitest'
import { tellOfEvents } from './event-story.ts'
import { badConsumers, badLogs, badReceivers, badRelay, eventStorm, eventWrongClocks } from './event-weathers.ts'
import { tellOfJobs } from './job-story.ts'
import { badLedgers, badVisitors, jobStorm, jobWrongClocks } from './job-weathers.ts'
import { tellOfSagas } from './saga-story.ts'
import { badEndpoints, badSagas, badSagaWorkers, sagaStorm, sagaWrongClocks } from './saga-weathers.ts'
import { tell } from './story.ts'
import { tellAll } from './tell-all.ts'
import { tellOfTopics } from './topic-story.ts'
import { topicFlood, topicGale, topicStorm, topicWrongClocks } from './topic-weathers.ts'
import { bigStorm, linked, storm } from './weathers.ts'

test.each([
  ['a storm', storm, 20_000],
  ['a big storm', bigStorm, 5000],
])('%s, over many thousands of seeds', async (_, plot, seeds) => {
  await tellAll(seeds, (seed) => tell(seed, linked(plot, seed)))
})

test.each([
  ['a storm', topicStorm, 5000],
  ['a storm without repeated calls', topicGale, 3000],
  ['a flood', topicFlood, 2000],
  ['wrong clocks', topicWrongClocks, 2000],
])('topics in %s, over thousands of seeds', async (_, plot, seeds) => {
  await tellAll(seeds, (seed) => tellOfTopics(seed, plot))
})

test.each([
  ['in a storm', jobStorm, 5000],
  ['with ledgers that die', badLedgers, 2000],
  ['with visitors that die', badVisitors, 2000],
  ['with wrong clocks', jobWrongClocks, 2000],
])('jobs, %s, over thousands of seeds', async (_, plot, seeds) => {
  await tellAll(seeds, (seed) => tellOfJobs(seed, plot))
})

test.each([
  ['in a storm', sagaStorm, 3000],
  ['with actors that die', badSagas, 1000],
  ['with calls that die', badSagaWorkers, 1000],
  ['with endpoints that fail', badEndpoints, 1000],
  ['with wrong clocks', sagaWrongClocks, 1000],
])('sagas, %s, over thousands of seeds', async (_, plot, seeds) => {
  await tellAll(seeds, (seed) => tellOfSagas(seed, plot))
})

test.each([
  ['in a storm', eventStorm, 2000],
  ['with consumers that die', badConsumers, 1000],
  ['with logs that die', badLogs, 1000],
  ['with a relay that is killed', badRelay, 1000],
  ['with endpoints that fail', badReceivers, 1000],
  ['with wrong clocks', eventWrongClocks, 1000],
])('events, %s, over thousands of seeds', async (_, plot, seeds) => {
  await tellAll(seeds, (seed) => tellOfEvents(seed, plot))
})
