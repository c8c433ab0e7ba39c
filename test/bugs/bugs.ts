/** A bug made on purpose: which words of which file become which, and the tests that have to see it. */
export interface Bug {
  readonly name: string
  readonly file: string
  readonly from: string
  readonly to: string
  readonly tests: readonly string[]
}

const simulation = ['test/sim/simulation.test.ts']
const topics = ['test/sim/topics.test.ts']
const jobs = ['test/sim/jobs.test.ts']

/** One per promise of the heart; each of them is a mistake that could be made. */
export const bugs: readonly Bug[] = [
  {
    name: 'the dedupe is dropped',
    file: 'durable-objects/conversation/schema.ts',
    from: 'CREATE UNIQUE INDEX by_client_id',
    to: 'CREATE INDEX by_client_id',
    tests: simulation,
  },
  {
    name: 'a send is acknowledged before it is written',
    file: 'src/conversations/commands/send-message.ts',
    from: 'const known = state.log.append(row)',
    to: 'const known: { seq: number; at: number } | undefined = void queueMicrotask(() => state.log.append(row))',
    tests: simulation,
  },
  {
    name: 'a gap is not noticed',
    file: 'src/realtime/hub.ts',
    from: "if (update.after > state.last) return 'gap'",
    to: "if (update.after > state.last + 1e9) return 'gap'",
    tests: simulation,
  },
  {
    name: 'an entry that is no message counts as one',
    file: 'durable-objects/conversation/message-log.ts',
    from: 'this.number() + (clientId === null ? 0 : 1)',
    to: 'this.number() + 1',
    tests: simulation,
  },
  {
    name: 'a user that was mentioned is not told',
    file: 'durable-objects/conversation/activity-updater.ts',
    from: 'for (const user of mention?.users ?? []) this.#users.add(user)',
    to: '',
    tests: simulation,
  },
  {
    name: 'the epoch is forgotten',
    file: 'src/protocol/recover.ts',
    from: "const sameEpoch = since.epoch === '' || since.epoch === stream.epoch",
    to: 'const sameEpoch = true',
    tests: ['test/protocol/recover.test.ts'],
  },
  {
    name: 'what a lease spent is lost',
    file: 'src/limits/lease-account.ts',
    from: 'if (spent > 0) for (const meter of this.#counters) meter.spend(spent, at)',
    to: 'if (spent > 1e9) for (const meter of this.#counters) meter.spend(spent, at)',
    tests: ['test/limits/exactness.test.ts', 'test/limits/lease-account.test.ts'],
  },
  {
    name: 'a limiter that dies forgets what it lent',
    file: 'durable-objects/rate-limiter/limiter-store.ts',
    from: 'ledger.presumeLent(allowance,',
    to: 'ledger.presumeLent(0 * allowance,',
    tests: ['test/limits/exactness.test.ts'],
  },
  {
    name: 'a user that comes back while leaving counts as the last one all the same',
    file: 'durable-objects/gateway/channels/channel-calls.ts',
    from: "const last = () => state === undefined && !commands.some(({ command }) => command.kind === 'subscribe')",
    to: 'const last = () => true',
    tests: simulation,
  },
  {
    name: 'an overtaken subscriber joins as if nothing had been',
    file: 'durable-objects/gateway/channels/channel-client.ts',
    from: 'if (this.#isOvertaken(command, channel, result)) return',
    to: "if (result.kind === 'done' && this.#isOvertaken(command, channel, result)) return",
    tests: simulation,
  },
  {
    name: 'a dropped lane drops its successor',
    file: 'durable-objects/shared/subscribers.ts',
    from: 'this.#queues.get(gateway) === queue && ',
    to: '',
    tests: ['test/sim/audience.test.ts'],
  },
  {
    name: 'a hole between updates is passed over',
    file: 'durable-objects/shared/subscribers.ts',
    from: 'if (update.after !== (publications.at(-1)?.offset ?? after)) publications = []',
    to: '',
    tests: ['test/sim/audience.test.ts'],
  },
  {
    name: 'a conversation that died with pending tasks announces nothing',
    file: 'durable-objects/conversation/conversation-store.ts',
    from: 'this.#crashedWithTasks = this.conversation !== undefined',
    to: 'this.#crashedWithTasks = false && this.conversation !== undefined',
    tests: simulation,
  },
  {
    name: 'presence believes a gateway that lost a leave',
    file: 'durable-objects/shared/subscriber-presence.ts',
    from: 'presence.clients.size !== subscribed + joined',
    to: 'presence.clients.size < 0',
    tests: simulation,
  },
  {
    name: 'the watermark runs ahead of Postgres',
    file: 'durable-objects/conversation/projection.ts',
    from: 'const answer = await this.#write(conversation, rows, facts)',
    to: 'this.skip(rows.at(-1)?.seq ?? top)\n    const answer = await this.#write(conversation, rows, facts)',
    tests: simulation,
  },
  {
    name: 'an inbox believes the older news',
    file: 'src/inbox/entry.ts',
    from: 'last: Math.max(known.last, news.last)',
    to: 'last: news.last',
    tests: ['test/inbox', ...simulation],
  },
  {
    name: 'an outcome told by a worker that was given up counts',
    file: 'src/jobs/queue/settle.ts',
    from: ' || hasEnded(before.phase) || before.run !== run',
    to: '',
    tests: ['test/jobs/chaos.test.ts', 'test/jobs/lifecycle.test.ts'],
  },
  {
    name: 'a topic publishes again under a known key',
    file: 'src/topics/apply-commands.ts',
    from: 'if (known !== undefined) return done(known)',
    to: 'if (known !== undefined && key === undefined) return done(known)',
    tests: topics,
  },
  {
    name: 'a topic forgets how far it counted with what it drops',
    file: 'durable-objects/topic/topic-log.ts',
    from: "this.#settings.set('top', this.#top)",
    to: '',
    tests: topics,
  },
  {
    name: 'an ephemeral publication is repeated when no gateway answered',
    file: 'durable-objects/shared/missed-updates.ts',
    from: "if (update.epoch !== '') return update",
    to: 'if (attempt <= wholeAttempts) return update',
    tests: topics,
  },
  {
    name: 'a topic that died between writing and publishing announces nothing',
    file: 'durable-objects/topic/topic.ts',
    from: 'if (!this.#hasPublished && epoch',
    to: 'if (this.#hasPublished && epoch',
    tests: topics,
  },
  {
    name: 'a job that waits for its next attempt gives up its place',
    file: 'src/jobs/queue/settle.ts',
    from: 'phase: phases.pausing,',
    to: 'phase: phases.delayed,',
    tests: jobs,
  },
  {
    name: 'places of a key are not given back',
    file: 'durable-objects/job-queue/sql-job-store.ts',
    from: '- (job.phase <= phases.pausing ? 1 : 0))',
    to: '- (job.phase < phases.pausing ? 1 : 0))',
    tests: jobs,
  },
  {
    name: 'a job waits for one that was throttled away',
    file: 'src/jobs/queue/enqueue.ts',
    from: 'awaitStandIns(job, standIns)',
    to: 'job',
    tests: jobs,
  },
  {
    name: 'a dead job is sent again though another has its name',
    file: 'src/jobs/queue/redrive.ts',
    from: "if (holder !== undefined) return refuse('conflict'",
    to: "if (holder === job) return refuse('conflict'",
    tests: jobs,
  },
  {
    name: 'an alarm that rang is taken for set',
    file: 'durable-objects/job-queue/worker-dispatcher.ts',
    from: 'this.#alarmAt = undefined',
    to: '',
    tests: jobs,
  },
  {
    name: 'a member may do what is for owners and admins',
    file: 'src/conversations/state.ts',
    from: 'return role !== undefined && roles.includes(role)',
    to: "return role !== undefined && (role === 'member' || roles.includes(role))",
    tests: ['test/actors/roles.worker.test.ts'],
  },
  {
    name: 'a connection that no token named is taken for a user',
    file: 'src/conversations/state.ts',
    from: "conversation.type === 'channel' && actor.user !== ''",
    to: "conversation.type === 'channel'",
    tests: ['test/actors/roles-wire.worker.test.ts'],
  },
  {
    name: 'a token narrowed to listening may publish',
    file: 'src/topics/access.ts',
    from: 'allow.includes(action) && channels.some',
    to: 'allow.length > 0 && channels.some',
    tests: ['test/actors/roles-topics.worker.test.ts'],
  },
  {
    name: 'strangers hear whether two people talk',
    file: 'src/conversations/membership.ts',
    from: '    mayRead(conversation, members, actor) ??\n    keepsItsTwo(conversation) ??\n    (isJoin',
    to: '    keepsItsTwo(conversation) ??\n    (isJoin',
    tests: ['test/actors/roles.worker.test.ts'],
  },
  {
    name: 'any key opens what is the operator’s',
    file: 'src/edge/middleware/authenticate.ts',
    from: 'if (!allowed) return',
    to: 'if (!allowed && given === undefined) return',
    tests: ['test/actors/roles-tenant.worker.test.ts'],
  },
]
