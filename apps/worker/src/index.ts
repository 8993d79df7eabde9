export { startWorker, type WorkerDeps, type WorkerService } from './worker.js'
export { diagnoseWorker } from './diagnosis/diagnose.js'
export type { Check } from './diagnosis/check.js'
