import { spoken } from './line.ts'

// Imported before the stories that are to be told in Protobuf.
spoken.format = 'protobuf'
