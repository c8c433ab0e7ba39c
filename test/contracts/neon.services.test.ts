import { test } from 'vitest'
import { debianBinDirs } from '../../local/postgres/binaries.ts'
import { neonContract } from './neon.contract.ts'
import { launchedWorld, visitedWorld } from './neon.world.ts'

const running = process.env['PARLEY_REAL_POSTGRES_URL']
const [binDir] = await debianBinDirs()

if (running !== undefined) neonContract('with the Postgres of PARLEY_REAL_POSTGRES_URL', () => visitedWorld(running))
else if (binDir !== undefined) neonContract(`with the Postgres of ${binDir}`, () => launchedWorld({ binDir }))
else test.skip('no real Postgres: set PARLEY_REAL_POSTGRES_URL or install the package postgresql')
