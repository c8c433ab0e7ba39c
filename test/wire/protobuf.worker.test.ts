// Every story of the wire once more, in Protobuf: the SDK's own codec on one side and ours on the other.
import '../support/worker/in-protobuf.ts'
import './connecting.worker.test.ts'
import './history.worker.test.ts'
import './messages.worker.test.ts'
import './passing.worker.test.ts'
import './subscribing.worker.test.ts'
import '../actors/sleep.worker.test.ts'
