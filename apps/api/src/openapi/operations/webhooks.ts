import {
  deliveryListQuerySchema,
  deliveryListSchema,
  deliveryViewSchema,
  rotateQuerySchema,
  WEBHOOK_ID_PATTERN,
  webhookInputSchema,
  webhookListSchema,
  webhookPatchSchema,
  webhookSecretSchema,
  webhookViewSchema,
} from '@claude-fleet/core'
import { z } from 'zod'
import { EXAMPLES } from '../examples.js'
import type { Operation } from '../operation.js'

const BODY_BYTES = 64 * 1_024
const params = z.object({ id: z.string().regex(WEBHOOK_ID_PATTERN).describe('Id of the webhook.') })

/** `/v1/webhooks` and what is below it. */
export const webhookOperations = {
  createWebhook: {
    method: 'post',
    path: '/v1/webhooks',
    tag: 'webhooks',
    summary: 'Register an endpoint',
    description: 'The answer has its secret, which is shown once. A tenant may have 20 endpoints.',
    scope: 'enqueue',
    body: {
      schema: webhookInputSchema,
      limitBytes: BODY_BYTES,
      examples: { 'every end': { url: 'https://example.com/fleet' }, 'failures only': EXAMPLES.webhookRequest },
    },
    replies: {
      201: {
        description: 'Registered.',
        headers: ['location'],
        content: { type: 'application/json', schema: webhookSecretSchema, example: EXAMPLES.webhookWithSecret },
      },
    },
    errors: ['CONFLICT'],
  },
  listWebhooks: {
    method: 'get',
    path: '/v1/webhooks',
    tag: 'webhooks',
    summary: 'List the endpoints, oldest first',
    scope: 'read',
    replies: {
      200: {
        description: 'All of them.',
        content: { type: 'application/json', schema: webhookListSchema, example: { items: [EXAMPLES.webhook] } },
      },
    },
  },
  getWebhook: {
    method: 'get',
    path: '/v1/webhooks/:id',
    tag: 'webhooks',
    summary: 'Get an endpoint',
    scope: 'read',
    params,
    replies: {
      200: {
        description: 'The endpoint, without its secret.',
        content: { type: 'application/json', schema: webhookViewSchema, example: EXAMPLES.webhook },
      },
    },
  },
  updateWebhook: {
    method: 'patch',
    path: '/v1/webhooks/:id',
    tag: 'webhooks',
    summary: 'Change an endpoint',
    description: 'What is left out stays. One that is enabled again goes on with what waits for it.',
    scope: 'enqueue',
    params,
    body: {
      schema: webhookPatchSchema,
      limitBytes: BODY_BYTES,
      examples: { 'enable it': { enabled: true }, 'another address': { url: 'https://example.com/fleet/2' } },
    },
    replies: {
      200: {
        description: 'The endpoint as it is now.',
        content: { type: 'application/json', schema: webhookViewSchema, example: EXAMPLES.webhook },
      },
    },
  },
  deleteWebhook: {
    method: 'delete',
    path: '/v1/webhooks/:id',
    tag: 'webhooks',
    summary: 'Delete an endpoint',
    description: 'What waits for it is not sent.',
    scope: 'enqueue',
    params,
    replies: { 204: { description: 'It is gone.' } },
  },
  rotateWebhook: {
    method: 'post',
    path: '/v1/webhooks/:id/rotate',
    tag: 'webhooks',
    summary: 'Make a new secret',
    description: 'The old one signs beside it for `overlapMs`, 24 h unless it is given.',
    scope: 'enqueue',
    params,
    query: rotateQuerySchema,
    replies: {
      200: {
        description: 'The endpoint with its new secret, which is shown once.',
        content: { type: 'application/json', schema: webhookSecretSchema, example: EXAMPLES.webhookWithSecret },
      },
    },
    errors: ['CONFLICT'],
  },
  listDeliveries: {
    method: 'get',
    path: '/v1/webhooks/:id/deliveries',
    tag: 'webhooks',
    summary: 'List the last deliveries to an endpoint, newest first',
    description: 'The last 100 at most; ended ones are kept for 3 days.',
    scope: 'read',
    params,
    query: deliveryListQuerySchema,
    replies: {
      200: {
        description: 'The deliveries.',
        content: { type: 'application/json', schema: deliveryListSchema, example: { items: [EXAMPLES.delivery] } },
      },
    },
  },
  testWebhook: {
    method: 'post',
    path: '/v1/webhooks/:id/test',
    tag: 'webhooks',
    summary: 'Send a test event',
    description: 'An event `webhook.test`, delivered as any other. The list of deliveries tells what came of it.',
    scope: 'enqueue',
    params,
    replies: {
      202: {
        description: 'It is on its way.',
        content: { type: 'application/json', schema: deliveryViewSchema, example: EXAMPLES.testDelivery },
      },
    },
    errors: ['CONFLICT'],
  },
} as const satisfies Record<string, Operation>
