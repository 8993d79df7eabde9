export { readConformance, createConformance, type Conformance, type Exchange } from './conformance.js'
export { checkedFetch, type CheckedFetch } from './checked-fetch.js'
export { startCheckingProxy, type CheckingProxy } from './checking-proxy.js'
