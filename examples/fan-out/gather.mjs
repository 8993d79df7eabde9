import { FleetClient, isFleetError } from '@claude-fleet/client'

const AT_ONCE = 20
const fleet = await FleetClient.connect({
  url: process.env['FLEET_URL'] ?? 'http://127.0.0.1:3000',
  apiKey: process.env['FLEET_API_KEY'],
})
try {
  const prompts = Array.from({ length: 100 }, (_, index) => `What is ${index} squared?`)
  // All are checked before any is enqueued. The ids come in the order of the prompts.
  const { items } = await fleet.batch(prompts.map((prompt, index) => ({ prompt, customId: `square-${index}` })))
  const waiting = items.entries()
  /** @type {string[]} */
  const answers = []
  const gather = async () => {
    // Shared by all gatherers: each takes the next job that nobody waits for.
    for (const [index, { id }] of waiting) {
      try {
        answers[index] = (await fleet.job(id).result()).text
      } catch (error) {
        if (!isFleetError(error)) throw error
        answers[index] = `failed: ${error.code}`
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, gather))
  for (const [index, answer] of answers.entries()) console.log(`${items[index]?.customId}: ${answer}`)
} finally {
  await fleet.close()
}
