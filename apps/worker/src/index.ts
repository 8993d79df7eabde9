export { startWorker, type WorkerDeps, type WorkerService } from './worker.js'
export { diagnoseWorker, type DiagnoseOptions } from './diagnosis/diagnose.js'
