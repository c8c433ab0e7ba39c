import { expect, test } from 'vitest'
import { AlarmTasks, type Task } from '../durable-objects/shared/alarm-tasks.ts'

/** An actor's alarm and clock, moved by hand, and debts that can be made and refused. */
function house() {
  const time = { now: 1_000_000, rings: Infinity }
  const debts = ['postgres', 'inboxes'].map((name) => ({ name, owes: false, paid: 0, obstacle: undefined as Obstacle }))
  const payable = debts.map((debt): Task => ({
    name: debt.name,
    isPending: () => debt.owes,
    run: async () => {
      await debt.obstacle?.()
      debt.owes = false
      debt.paid++
    },
  }))
  const alarm = { setAlarm: async (at: number) => void (time.rings = at) }
  const aftermath = new AlarmTasks(alarm, payable, { now: () => time.now })
  const owe = () => {
    for (const debt of debts) debt.owes = true
    aftermath.schedule(time.now, 500)
  }
  const ring = async () => {
    time.now = Math.max(time.now, time.rings)
    time.rings = Infinity
    await aftermath.run(time.now, 500)
  }
  return { time, debts, owe, ring, paid: () => debts.map(({ paid }) => paid) }
}

type Obstacle = (() => Promise<void>) | undefined

const down = async () => {
  throw new Error('down')
}

test('a burst of tasks is one run, and nothing rings once all have run', async () => {
  const { time, owe, ring, paid } = house()
  owe()
  owe()
  expect(time.rings).toBe(1_000_500)
  await ring()
  expect(paid()).toEqual([1, 1])
  expect(time.rings).toBe(Infinity)
})

test('an alarm that the platform lost is set again with the next task', async () => {
  const { time, owe, ring, paid } = house()
  owe()
  time.rings = Infinity
  time.now += 5000
  owe()
  expect(time.rings).toBe(Infinity)
  time.now += 10_000
  owe()
  expect(time.rings).toBeLessThanOrEqual(time.now + 2000)
  await ring()
  expect(paid()).toEqual([1, 1])
})

test('a task that fails again and again makes no other wait', async () => {
  const { debts, time, owe, ring, paid } = house()
  const [postgres] = debts
  Object.assign(postgres ?? {}, { obstacle: down })
  for (let n = 1; n <= 10; n++) {
    owe()
    const asked = time.now
    while ((debts[1]?.paid ?? 0) < n) await ring()
    expect(time.now - asked).toBeLessThanOrEqual(2000)
  }
  Object.assign(postgres ?? {}, { obstacle: undefined })
  const since = time.now
  while (paid()[0] === 0) await ring()
  expect(time.now - since).toBeLessThanOrEqual(60_000)
  expect(paid()).toEqual([1, 10])
})

test('a task that hangs makes no other wait, is not run twice, and is looked after', async () => {
  const { debts, time, owe, ring, paid } = house()
  const hanging = Promise.withResolvers<void>()
  Object.assign(debts[0] ?? {}, { obstacle: () => hanging.promise })
  owe()
  await ring()
  expect(paid()).toEqual([0, 1])
  expect(time.rings).toBeLessThanOrEqual(time.now + 20_000)

  owe()
  await ring()
  expect(paid()).toEqual([0, 2])
  hanging.resolve()
  await hanging.promise
  await ring()
  expect(paid()).toEqual([1, 2])
  expect(time.rings).toBe(Infinity)
})

test('a task that keeps failing is tried less and less often, however many are scheduled meanwhile', async () => {
  const { debts, time, owe, ring } = house()
  let tries = 0
  const refuse = async () => {
    tries++
    await down()
  }
  Object.assign(debts[0] ?? {}, { obstacle: refuse })
  const end = time.now + 300_000
  while (time.now < end) {
    owe()
    await ring()
  }
  expect(tries).toBeGreaterThan(4)
  expect(tries).toBeLessThan(20)
})

test('a parked task runs at its time and no sooner, and keeps no other from running', async () => {
  const time = { now: 1_000_000, rings: Infinity }
  const pending = new Set(['parked', 'other'])
  const run = (name: string) => ({
    name,
    isPending: () => pending.has(name),
    run: async () => void pending.delete(name),
  })
  const parked = { ...run('parked'), parkedUntil: () => 1_060_000 }
  const alarm = { setAlarm: async (at: number) => void (time.rings = at) }
  const tasks = new AlarmTasks(alarm, [parked, run('other')], { now: () => time.now })
  await tasks.run(time.now, 500)
  expect([...pending]).toEqual(['parked'])
  expect(time.rings).toBe(1_060_000)
  await tasks.run(1_059_999, 500)
  expect([...pending]).toEqual(['parked'])
  await tasks.run(1_060_000, 500)
  expect([...pending]).toEqual([])
})

/** An actor with one task that gathers for half a minute. */
function gathering() {
  const time = { now: 1_000_000, rings: Infinity, alarms: 0 }
  const copy = { since: undefined as number | undefined, runs: 0 }
  const alarm = {
    setAlarm: async (at: number) => {
      time.rings = at
      time.alarms++
    },
  }
  const task: Task = {
    name: 'copy',
    isPending: () => copy.since !== undefined,
    dueAt: () => (copy.since ?? 0) + 30_000,
    run: async () => {
      copy.since = undefined
      copy.runs++
    },
  }
  const open = () => new AlarmTasks(alarm, [task], { now: () => time.now })
  const actor = { tasks: open() }
  return {
    time,
    copy,
    write: () => {
      copy.since ??= time.now
      actor.tasks.scheduleGathering(time.now, 500)
    },
    restart: () => void (actor.tasks = open()),
    ring: async () => {
      time.now = time.rings
      time.rings = Infinity
      await actor.tasks.run(time.now, 500)
    },
  }
}

test('messages at a slow pace share one alarm and one run, also when the actor is evicted between them', async () => {
  const { time, copy, write, restart, ring } = gathering()
  for (let n = 0; n < 3; n++) {
    write()
    time.now += 10_000
    restart()
  }
  expect(time).toMatchObject({ alarms: 1, rings: 1_030_000 })
  await ring()
  expect(copy.runs).toBe(1)
  write()
  expect(time).toMatchObject({ alarms: 2, rings: 1_060_000 })
})

test('a task that is overdue is run soon: an alarm has no time in the past', () => {
  const rings: number[] = []
  const overdue: Task = { name: 'copy', isPending: () => true, run: async () => undefined, dueAt: () => 0 }
  const tasks = new AlarmTasks({ setAlarm: async (at) => void rings.push(at) }, [overdue], { now: () => 1_000_000 })
  tasks.scheduleGathering(1_000_000, 500)
  expect(rings).toEqual([1_000_500])
})

test('an alarm that finds the task done that it was set for leaves others gathering; one that is rung by hand does not', async () => {
  const done: string[] = []
  const pending = new Set(['copy', 'news'])
  const run = (name: string, dueAt?: () => number): Task => ({
    name,
    isPending: () => pending.has(name),
    run: async () => {
      pending.delete(name)
      done.push(name)
    },
    ...(dueAt === undefined ? {} : { dueAt }),
  })
  const time = { rings: Infinity }
  const alarm = { setAlarm: async (at: number) => void (time.rings = at) }
  const tasks = new AlarmTasks(alarm, [run('copy', () => 1_030_000), run('news')], { now: () => 1_000_500 })
  tasks.schedule(1_000_000, 500)
  pending.delete('news')
  await tasks.run(1_000_500, 500)
  expect(done).toEqual([])
  expect(time.rings).toBe(1_030_000)
  await tasks.run(1_010_000, 500)
  expect(done).toEqual(['copy'])
})

test('a task that gathers waits on when another task is due, and its alarm is set again', async () => {
  const time = { now: 1_000_000, rings: Infinity }
  const done: string[] = []
  const pending = new Set(['copy', 'news'])
  const run = (name: string, dueAt?: () => number): Task => ({
    name,
    isPending: () => pending.has(name),
    run: async () => {
      pending.delete(name)
      done.push(name)
    },
    ...(dueAt === undefined ? {} : { dueAt }),
  })
  const alarm = { setAlarm: async (at: number) => void (time.rings = at) }
  const tasks = new AlarmTasks(alarm, [run('copy', () => 1_030_000), run('news')], { now: () => time.now })
  tasks.schedule(time.now, 500)
  expect(time.rings).toBe(1_000_500)
  await tasks.run(time.rings, 500)
  expect(done).toEqual(['news'])
  expect(time.rings).toBe(1_030_000)
  await tasks.run(time.rings, 500)
  expect(done).toEqual(['news', 'copy'])
})

test('a task that needs no alarm begins once the answer to the event that made it pending has left', async () => {
  const steps: string[] = []
  let isPending = true
  const told = Promise.withResolvers<void>()
  const task: Task = {
    name: 'activity',
    isPending: () => isPending,
    everyMs: 500,
    run: async () => {
      isPending = false
      steps.push('told')
      told.resolve()
    },
  }
  const tasks = new AlarmTasks({ setAlarm: async () => undefined }, [task])
  const execute = () => {
    tasks.runPrompt(Date.now())
    tasks.runPrompt(Date.now())
    return 'answer'
  }
  // The runtime passes an answer on in a microtask or two.
  await Promise.resolve(execute()).then((answer) => steps.push(answer))
  await told.promise
  expect(steps).toEqual(['answer', 'told'])
})
