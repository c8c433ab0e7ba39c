import { upstashContract } from './upstash.contract.ts'
import { openWorld } from './upstash.world.ts'

upstashContract('with the embedded engine', openWorld)
