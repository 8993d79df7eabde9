import {
  deliveryListQuerySchema,
  FleetError,
  invalidInput,
  parseInput,
  rotateQuerySchema,
  WEBHOOK_ID_PATTERN,
  webhookInputSchema,
  webhookPatchSchema,
} from '@claude-fleet/core'
import type { Webhooks } from '@claude-fleet/queue'
import type { IRouter, Request, RequestHandler } from 'express'
import { tenantOf } from '../access/caller.js'
import { serve } from '../openapi/operation.js'
import { webhookOperations } from '../openapi/operations/webhooks.js'
import { jsonBody } from '../request/body.js'
import { refuseIdempotencyKey } from '../request/input.js'
import type { AddressPolicy } from '../webhooks/address.js'

export interface WebhookRoutesDeps {
  webhooks: Webhooks
  addresses: AddressPolicy
}

/** `/v1/webhooks` and what is below it. */
export function addWebhookRoutes(router: IRouter, { webhooks, addresses }: WebhookRoutesDeps): void {
  /** The schema has said that it is an address; which ones may be is the operator's to say. */
  function refuseUrl(text: string | undefined): void {
    const fault = text === undefined ? undefined : addresses.findFault(new URL(text))
    if (fault !== undefined) throw invalidInput([{ path: 'url', message: fault }])
  }

  const createWebhook: RequestHandler = async (req, res) => {
    refuseIdempotencyKey(req)
    const spec = parseInput(webhookInputSchema, jsonBody(req))
    refuseUrl(spec.url)
    const made = await webhooks.create(tenantOf(req), spec)
    res.status(201).location(`/v1/webhooks/${made.id}`).json(made)
  }

  const listWebhooks: RequestHandler = async (req, res) => {
    res.json({ items: await webhooks.list(tenantOf(req)) })
  }

  const getWebhook: RequestHandler = async (req, res) => {
    res.json(found(await webhooks.get(tenantOf(req), webhookId(req))))
  }

  const updateWebhook: RequestHandler = async (req, res) => {
    const id = webhookId(req)
    const patch = parseInput(webhookPatchSchema, jsonBody(req))
    refuseUrl(patch.url)
    res.json(found(await webhooks.update(tenantOf(req), id, patch)))
  }

  const deleteWebhook: RequestHandler = async (req, res) => {
    if (!(await webhooks.remove(tenantOf(req), webhookId(req)))) throw noSuchWebhook()
    res.status(204).end()
  }

  const rotateWebhook: RequestHandler = async (req, res) => {
    const id = webhookId(req)
    const { overlapMs } = parseInput(rotateQuerySchema, { ...req.query })
    res.json(found(await webhooks.rotate(tenantOf(req), id, overlapMs)))
  }

  const listDeliveries: RequestHandler = async (req, res) => {
    const id = webhookId(req)
    const { limit } = parseInput(deliveryListQuerySchema, { ...req.query })
    res.json({ items: found(await webhooks.deliveries(tenantOf(req), id, limit)) })
  }

  const testWebhook: RequestHandler = async (req, res) => {
    res.status(202).json(found(await webhooks.test(tenantOf(req), webhookId(req))))
  }

  serve(router, webhookOperations, {
    createWebhook,
    listWebhooks,
    getWebhook,
    updateWebhook,
    deleteWebhook,
    rotateWebhook,
    listDeliveries,
    testWebhook,
  })
}

/** What cannot be an id is answered as an unknown one, without asking Redis. */
function webhookId(req: Request): string {
  const { id } = req.params
  if (typeof id !== 'string' || !WEBHOOK_ID_PATTERN.test(id)) throw noSuchWebhook()
  return id
}

/** Also for one of another tenant, which does not exist for this one. */
function found<T>(value: T | undefined): T {
  if (value === undefined) throw noSuchWebhook()
  return value
}

const noSuchWebhook = () => new FleetError('NOT_FOUND', 'there is no such webhook')
