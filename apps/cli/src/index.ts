export { describeError, EXIT, exitCodeOfJobError, type Problem } from './exit-code.js'
