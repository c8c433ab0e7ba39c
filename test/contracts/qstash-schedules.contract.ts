import { expect, test } from 'vitest'
import type { Bench } from './qstash-target.ts'

/** Messages that are sent again and again. */
export function scheduleContract(given: () => Bench): void {
  test('a schedule fires on its cron instants until it is deleted', async () => {
    const bench = given()
    const hook = bench.hooks.open()
    const scheduleId = bench.name('schedule')
    const created = await bench.client.schedules.create({
      destination: hook.url,
      cron: '* * * * *',
      scheduleId,
      body: '{"tick":true}',
      headers: { 'X-Tenant': 't1' },
    })

    expect(created).toEqual({ scheduleId })
    const delivery = await bench.delivery(hook)
    expect(delivery.body.toString()).toBe('{"tick":true}')
    expect(delivery.header).toMatchObject({ 'upstash-schedule-id': scheduleId, 'x-tenant': 't1' })
    await bench.verify(delivery, hook.url)
    await bench.eventually(async () => {
      const { lastScheduleTime, lastScheduleStates } = await bench.client.schedules.get(scheduleId)
      expect((lastScheduleTime ?? 1) % 60_000).toBe(0)
      expect(Object.values(lastScheduleStates ?? {})).toContain('SUCCESS')
    })
    await bench.client.schedules.delete(scheduleId)
    await expect(bench.client.schedules.get(scheduleId)).rejects.toMatchObject({ status: 404 })
  })

  test('a paused schedule stays silent while others fire, and fires when resumed', async () => {
    const bench = given()
    const [silent, other] = [bench.hooks.open(), bench.hooks.open()]
    const create = (destination: string) => bench.client.schedules.create({ destination, cron: '* * * * *' })
    const { scheduleId: schedule } = await create(silent.url)
    await bench.client.schedules.pause({ schedule })
    // Its minute may have come before it was paused.
    await bench.quiet()
    const before = silent.deliveries.length
    const { scheduleId: otherSchedule } = await create(other.url)

    // The other one's first instant may be one that the paused one has had already.
    await bench.delivery(other, 2)
    expect(silent.deliveries).toHaveLength(before)
    expect(await bench.client.schedules.get(schedule)).toMatchObject({ isPaused: true })
    await bench.client.schedules.resume({ schedule })
    await bench.delivery(silent, before + 1)
    await bench.client.schedules.delete(schedule)
    await bench.client.schedules.delete(otherSchedule)
  })

  test('the same schedule id changes the schedule instead of adding one', async () => {
    const bench = given()
    const scheduleId = bench.name('schedule')
    const destination = bench.hooks.open().url
    await bench.client.schedules.create({ destination, cron: '0 0 1 1 *', scheduleId })
    await bench.client.schedules.create({ destination, cron: '0 0 2 1 *', scheduleId, retries: 1 })

    const listed = (await bench.client.schedules.list()).filter((schedule) => schedule.scheduleId === scheduleId)
    expect(listed).toMatchObject([{ cron: '0 0 2 1 *', destination, retries: 1, isPaused: false }])
    await bench.client.schedules.delete(scheduleId)
  })

  test('CRON_TZ places the instants in a time zone', async () => {
    const bench = given()
    const cron = 'CRON_TZ=Asia/Kolkata 0 4 * * *'
    const { scheduleId } = await bench.client.schedules.create({ destination: bench.hooks.open().url, cron })

    const schedule = await bench.client.schedules.get(scheduleId)
    expect(schedule.cron).toBe(cron)
    // Four in the morning in Kolkata, which knows no summer time, is 22:30 UTC.
    expect(new Date(schedule.nextScheduleTime ?? 0).toISOString()).toMatch(/T22:30:00\.000Z$/)
    await bench.client.schedules.delete(scheduleId)
  })

  test('a cron expression that cannot be read is refused with 400', async () => {
    const bench = given()
    const destination = bench.hooks.open().url
    for (const cron of ['every minute', '61 * * * *', 'CRON_TZ=Nowhere/Land 0 4 * * *']) {
      await expect(bench.client.schedules.create({ destination, cron })).rejects.toMatchObject({ status: 400 })
    }
  })
}
