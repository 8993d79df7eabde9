export { startSimulator, type Simulator, type SimulatorOptions } from './simulator.js'
export type { Ledger, LedgerEntry } from './ledger.js'
export type { ModelBody } from './request.js'
