import { openScenarios } from '../support/e2e/open-scenarios.ts'
import { ways } from '../support/e2e/ways.ts'

openScenarios(ways.filter(({ transport }) => transport === 'websocket'))
