import { readSettings, SECRETS, type SettingsSource } from './read.js'
import { queueSettings, type QueueSettings } from './settings.js'
import { boardShape } from './shapes.js'

export interface BoardSettings extends QueueSettings {
  host: string
  port: number
  /** Who may sign in. There is no site without a sign-in. */
  user: string
  password: string
  /** Undefined: what changes something is a line of the log. */
  auditLog: string | undefined
}

/** Settings of `board`. Throws SettingsError; there is no default password. */
export function readBoardSettings(source: SettingsSource): BoardSettings {
  const read = readSettings(boardShape, source, SECRETS)
  return {
    ...queueSettings(read),
    host: read.FLEET_BOARD_HOST,
    port: read.FLEET_BOARD_PORT,
    user: read.FLEET_ADMIN_USER,
    password: read.FLEET_ADMIN_PASSWORD,
    auditLog: read.FLEET_AUDIT_LOG,
  }
}
