import { FleetClient } from '@claude-fleet/client'

const fleet = await FleetClient.connect({ url: process.env.FLEET_URL, apiKey: process.env.FLEET_API_KEY })
try {
  const schedule = await fleet.schedules.create({
    name: 'issues of the night',
    cron: '30 7 * * MON-FRI',
    timeZone: 'Europe/Berlin',
    overlap: 'skip',
    job: { prompt: 'Summarise the issues of the last day', maxBudgetUsd: 0.5 },
  })
  console.log(`next: ${new Date(schedule.nextRunAt).toLocaleTimeString('en-GB', { timeZone: 'Europe/Berlin' })}`)

  const job = await fleet.schedules.run(schedule.id) // once now, beside its times
  console.log((await job.result()).text)
  for (const run of await fleet.schedules.history(schedule.id)) console.log(run.trigger, run.outcome)

  await fleet.schedules.update(schedule.id, { enabled: false }) // a pause
  await fleet.schedules.delete(schedule.id)
} finally {
  await fleet.close()
}
