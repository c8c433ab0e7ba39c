import { expect, test } from 'vitest'
import { tell } from './story.ts'
import { bigStorm, linked, storm } from './weathers.ts'

test.each([
  ['a storm', storm, 20_000],
  ['a big storm', bigStorm, 5000],
])('%s, over many thousands of seeds', async (_, plot, seeds) => {
  for (let seed = 1; seed <= seeds; seed++) {
    const { broken } = await tell(seed, linked(plot, seed))
    expect({ seed, broken }).toEqual({ seed, broken: [] })
  }
})
