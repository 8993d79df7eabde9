import { addUsage, NO_USAGE, type Usage } from '@claude-fleet/core'
import { apiUsageSchema, modelUsageSchema } from '../protocol/message.js'
import type { ResultMessage } from '../types.js'

export interface Spend {
  usage: Usage
  costUsd: number
}

/**
 * What one turn cost. `total_cost_usd` is cumulative for the process, so the turn's own is
 * `model_usage_since_last_result` (all models, subagents too), or where an older claude has none the rise over
 * `totalBefore`; a total below it was reset by `/clear`.
 */
export function spendOfResult(result: ResultMessage, totalBefore: number): Spend {
  const byModel = modelUsageSchema.safeParse(result.model_usage_since_last_result)
  if (byModel.success) {
    const models = Object.values(byModel.data)
    return {
      usage: models.reduce(
        (sum, model) =>
          addUsage(sum, {
            inputTokens: model.inputTokens,
            outputTokens: model.outputTokens,
            cacheReadTokens: model.cacheReadInputTokens,
            cacheCreationTokens: model.cacheCreationInputTokens,
          }),
        NO_USAGE,
      ),
      costUsd: models.reduce((sum, model) => sum + model.costUSD, 0),
    }
  }
  return { usage: usageOf(result.usage), costUsd: riseOver(totalCost(result), totalBefore) }
}

/** The running total of a result, USD, or undefined when it has none. */
export function totalCost(result: ResultMessage): number | undefined {
  return typeof result.total_cost_usd === 'number' ? result.total_cost_usd : undefined
}

export function riseOver(total: number | undefined, before: number): number {
  if (total === undefined) return 0
  return total >= before ? total - before : total
}

/** Usage as the Messages API writes it; what it does not say counts as zero. */
export function usageOf(value: unknown): Usage {
  const parsed = apiUsageSchema.safeParse(value)
  if (!parsed.success) return NO_USAGE
  return {
    inputTokens: parsed.data.input_tokens,
    outputTokens: parsed.data.output_tokens,
    cacheReadTokens: parsed.data.cache_read_input_tokens,
    cacheCreationTokens: parsed.data.cache_creation_input_tokens,
  }
}
