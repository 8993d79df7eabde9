import { examples, type Commands, type JsonFlag } from '../commands.js'
import { number } from '../job/options.js'
import { runBatch } from './batch.js'
import { summaryLines } from './summary.js'

interface BatchFlags extends JsonFlag {
  out: string
  concurrency?: number
  resend?: boolean
  cancel?: boolean
}

/** Half of it is sent at a time: a batch of the fleet as long as one may be. */
const CONCURRENCY = 2_000

/** `batch`. */
export function addBatchCommand({ command, action, terminal, printJson, printLines }: Commands): void {
  command('batch', 'run the prompts of a JSONL file; run again, it continues')
    .argument('<file>', 'a job a line: an object with the fields of a job and customId, or a string that is the prompt')
    .requiredOption('--out <file>', 'JSONL file that gets a line for each job when it ends')
    .option('--concurrency <n>', `jobs in the fleet at a time (default ${CONCURRENCY})`, number)
    .option('--resend', 'send again what was sent over a day ago without an answer; it may run twice')
    .option('--cancel', 'send nothing more, and cancel what was sent and has not ended')
    .option('--json', 'print the summary as JSON')
    .addHelpText(
      'after',
      examples(
        'claude-fleet batch prompts.jsonl --out answers.jsonl',
        'jq -r \'select(.state == "completed") | [.customId, .result.text] | @tsv\' answers.jsonl',
      ) + '\nCtrl-C leaves; what was sent goes on, and the same command continues. It also does after a kill.',
    )
    .action(
      action(
        async (
          file: string,
          { out, json = false, resend = false, cancel = false, concurrency = CONCURRENCY }: BatchFlags,
        ) => {
          const { exitCode, summary } = await runBatch(file, { out, json, resend, cancel, concurrency }, terminal)
          if (json) printJson(summary)
          else printLines(summaryLines(summary))
          return exitCode
        },
      ),
    )
}
