import { searchContract } from './search.contract.ts'

searchContract('with the embedded Postgres')
