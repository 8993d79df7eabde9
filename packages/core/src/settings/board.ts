import { z } from 'zod'
import { readSettings, SECRETS, type SettingsSource } from './read.js'
import { queueSettings, shared, type QueueSettings } from './settings.js'
import * as value from './values.js'

export interface BoardSettings extends QueueSettings {
  host: string
  port: number
  /** Who may sign in. There is no site without a sign-in. */
  user: string
  password: string
}

const shape = {
  ...shared,
  FLEET_BOARD_HOST: value.host.default('127.0.0.1'),
  FLEET_BOARD_PORT: value.port.default(3_001),
  FLEET_ADMIN_USER: z
    .string()
    .regex(/^[^:\p{Cc}]{1,64}$/u, 'must be 1 to 64 characters without a colon')
    .default('admin'),
  FLEET_ADMIN_PASSWORD: z
    .string({ error: "is not set; the operators' site has no way in without it" })
    .regex(/^[^\p{Cc}]{8,256}$/u, 'must be 8 to 256 printable characters'),
}

/** Settings of `board`. Throws SettingsError; there is no default password. */
export function readBoardSettings(source: SettingsSource): BoardSettings {
  const read = readSettings(shape, source, SECRETS)
  return {
    ...queueSettings(read),
    host: read.FLEET_BOARD_HOST,
    port: read.FLEET_BOARD_PORT,
    user: read.FLEET_ADMIN_USER,
    password: read.FLEET_ADMIN_PASSWORD,
  }
}
