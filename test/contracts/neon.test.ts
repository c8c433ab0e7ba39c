import { neonContract } from './neon.contract.ts'
import { launchedWorld } from './neon.world.ts'

neonContract('with the embedded Postgres', launchedWorld)
