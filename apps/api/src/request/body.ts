import { FleetError, invalidInput, refuseHostileJson } from '@claude-fleet/core'
import express, { type Request, type RequestHandler } from 'express'

/**
 * Middleware that reads a JSON body of at most `limitBytes`. Answers 415 for another content type or charset, 413 for
 * more bytes (also of a compressed body once it is unpacked). `jsonBody` then has it.
 */
export function readBody(limitBytes: number): RequestHandler[] {
  return [checkType, express.raw({ type: () => true, limit: limitBytes })]
}

/**
 * The JSON object that a request carries. Throws FleetError `INVALID_REQUEST` for what is none, or holds keys that
 * reach an object's prototype, or is nested too deeply.
 */
export function jsonBody(req: Request): object {
  const bytes: unknown = req.body
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) throw invalidInput([{ path: '', message: 'the body is empty' }])
  const value = parse(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidInput([{ path: '', message: 'the body must be a JSON object' }])
  }
  refuseHostileJson(value)
  return value
}

const checkType: RequestHandler = (req, _res, next) => {
  const header = req.headers['content-type']
  const hasBody = req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
  if (hasBody || header !== undefined) mustBeJson(header ?? '')
  next()
}

function mustBeJson(header: string): void {
  const [type = '', ...parameters] = header.toLowerCase().split(';')
  if (type.trim() !== 'application/json') {
    throw new FleetError('UNSUPPORTED_MEDIA_TYPE', 'the content type must be application/json')
  }
  for (const parameter of parameters) {
    const [name, value = ''] = parameter.trim().split('=')
    if (name === 'charset' && !/^"?utf-?8"?$/.test(value)) {
      throw new FleetError('UNSUPPORTED_MEDIA_TYPE', 'the charset must be utf-8')
    }
  }
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    // The parser's message quotes the text around the fault, which is the caller's prompt.
    const message = cause instanceof SyntaxError ? 'the body is not JSON' : 'the body is not UTF-8'
    throw new FleetError('INVALID_REQUEST', message, { cause, details: { errors: [{ path: '', message }] } })
  }
}
