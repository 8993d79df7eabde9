import { healthSchema } from '@claude-fleet/core'
import { z } from 'zod'
import type { Operation } from '../operation.js'

/** Any OpenAPI document: its own shape is not ours to say. */
export const openApiDocumentSchema = z.looseObject({ openapi: z.string(), info: z.looseObject({}) })

/** What needs no key. */
export const serviceOperations = {
  getHealth: {
    method: 'get',
    path: '/healthz',
    tag: 'service',
    summary: 'Is the process up?',
    replies: {
      200: {
        description: 'It is.',
        content: { type: 'application/json', schema: healthSchema, example: { status: 'ok' } },
      },
    },
  },
  getReadiness: {
    method: 'get',
    path: '/readyz',
    tag: 'service',
    summary: 'Can it serve?',
    replies: {
      200: {
        description: 'Redis answers, and keeps what it holds (`maxmemory-policy noeviction`).',
        content: { type: 'application/json', schema: healthSchema, example: { status: 'ready' } },
      },
    },
    errors: ['UNAVAILABLE'],
  },
  getMetrics: {
    method: 'get',
    path: '/metrics',
    tag: 'service',
    summary: 'Metrics for Prometheus',
    description: 'Of this process and of the whole fleet. No label names a tenant or an id.',
    replies: {
      200: {
        description: 'Prometheus text.',
        content: { type: 'text/plain', schema: 'text', example: 'claude_fleet_redis_up 1\n' },
      },
    },
  },
  getOpenApi: {
    method: 'get',
    path: '/openapi.json',
    tag: 'service',
    summary: 'This document',
    replies: {
      200: {
        description: 'OpenAPI 3.1.',
        content: {
          type: 'application/json',
          schema: openApiDocumentSchema,
          example: { openapi: '3.1.1', info: { title: 'claude-fleet', version: '0.1.0' } },
        },
      },
    },
  },
  getDocs: {
    method: 'get',
    path: '/docs',
    tag: 'service',
    summary: 'This document as a page',
    replies: {
      200: {
        description: 'One page, without scripts.',
        content: { type: 'text/html', schema: 'text', example: '<!doctype html>…' },
      },
    },
  },
} as const satisfies Record<string, Operation>
