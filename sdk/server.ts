/** Parley for your servers and Workers: events, sagas, and the calls that Parley makes to you. Needs no other package. */
export {
  inboxTable,
  oncePerDelivery,
  oncePerDeliveryInObject,
  oncePerDeliverySync,
  type PostgresTransaction,
  type SqliteDatabase,
} from './event-inbox.ts'
export { pullEvents, type PulledEvent, type PullOptions, type RpcConnection } from './event-puller.ts'
export { type FailureKind, ParleyError } from './failure.ts'
export {
  MessageWriter,
  type StreamedMessage,
  type StreamEnd,
  type StreamOptions,
  type TextSource,
} from './message-writer.ts'
export { ObjectOutbox } from './object-outbox.ts'
export { type ObjectStorage, type SqlValue } from './object-storage.ts'
export {
  readOwnEvent,
  type JobFailedEvent,
  type NotificationChange,
  type NotificationsEvent,
  type OwnEvent,
  type ReportCreatedEvent,
  type UserErasedEvent,
} from './own-events.ts'
export { readRunEvent, type RunEvent } from './run-events.ts'
export { responseOf, type SagaAnswer, type SagaCall, sagaCallOf, SagaCalls, type StepStatus } from './saga-calls.ts'
export {
  type EndpointCall,
  expression,
  type OperationCall,
  type Reference,
  type RunDocument,
  saga,
  SagaBuilder,
  type SagaDefinition,
  type StepOptions,
  type Template,
  type,
} from './sagas.ts'
export { type NewEvent, type NewRun, ParleyServer, type ServerOptions } from './server-client.ts'
export { readSigned, type SignedBody } from './webhooks.ts'
