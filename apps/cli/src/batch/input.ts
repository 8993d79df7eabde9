import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { FleetError, invalidInput, isFleetError, LIMITS, parseBatch, refuseHostileJson } from '@claude-fleet/core'
import type { FieldFault, JobInput } from '@claude-fleet/core'
import { readLines } from './lines.js'

/** One job of the input. */
export interface InputJob {
  /** Its line in the file, from 1. */
  line: number
  customId: string | undefined
  input: JobInput
}

/** What the check of a whole input found. */
export interface CheckedInput {
  /** Hex, of the file's bytes that were checked. */
  sha256: string
  jobs: number
}

/** Faults that are told; a file of another kind has one on every line. */
const MAX_FAULTS = 100

/** Reads every line. Throws FleetError `INVALID_REQUEST` that names lines and fields, `PAYLOAD_TOO_LARGE` for too long a prompt. */
export async function checkInput(path: string): Promise<CheckedInput> {
  const hash = createHash('sha256')
  const faults: FieldFault[] = []
  let jobs = 0
  let tooLong = true
  for await (const { number, bytes } of readLines(path, { maxBytes: LIMITS.jobBodyBytes })) {
    hash.update(bytes).update('\n')
    try {
      if (parseLine(bytes, number) !== undefined) jobs += 1
    } catch (error) {
      if (!isFleetError(error)) throw error
      if (error.code !== 'PAYLOAD_TOO_LARGE') tooLong = false
      faults.push(...faultsOf(error).map(({ path: field, message }) => fault(path, number, field, message)))
      if (faults.length >= MAX_FAULTS) break
    }
  }
  if (faults.length > 0) throw invalidInput(faults, tooLong ? 'PAYLOAD_TOO_LARGE' : 'INVALID_REQUEST')
  if (jobs === 0) throw new FleetError('INVALID_REQUEST', `${basename(path)} holds no jobs`)
  return { sha256: hash.digest('hex'), jobs }
}

/** The jobs of an input that was checked, one in memory at a time. */
export async function* readJobs(path: string): AsyncGenerator<InputJob> {
  for await (const { number, bytes } of readLines(path, { maxBytes: LIMITS.jobBodyBytes })) {
    const job = parseLine(bytes, number)
    if (job !== undefined) yield job
  }
}

/** A job: an object, or a string that is the prompt. Undefined for an empty line. */
function parseLine(bytes: Buffer, line: number): InputJob | undefined {
  const value = parseJson(bytes)
  if (value === undefined) return undefined
  const item = typeof value === 'string' ? { prompt: value } : value
  refuseHostileJson(item)
  const [parsed] = parseBatch({ jobs: [item] })
  // As it was written: what the fleet fills in is the fleet's to say.
  const { customId: _, ...input } = item as JobInput & { customId?: string }
  return { line, customId: parsed?.customId, input }
}

function parseJson(bytes: Buffer): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new FleetError('INVALID_REQUEST', 'is not UTF-8 text', { cause })
  }
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new FleetError('INVALID_REQUEST', `is not JSON (${(cause as Error).message})`, { cause })
  }
}

function faultsOf(error: FleetError): FieldFault[] {
  const errors = error.details['errors'] as FieldFault[] | undefined
  return errors ?? [{ path: '', message: error.message }]
}

function fault(path: string, line: number, field: string, message: string): FieldFault {
  const name = field.replace(/^jobs\.0(\.|$)/, '')
  return { path: `${basename(path)}, line ${line}${name === '' ? '' : `: ${name}`}`, message }
}
