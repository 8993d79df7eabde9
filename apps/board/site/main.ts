import { html, render } from './vendor/preact.js'
import { FleetPage } from './fleet.js'
import { JobPage } from './job.js'

const main = document.getElementById('main')
const id = /^\/jobs\/([^/]+)$/.exec(location.pathname)?.[1]
if (main !== null) {
  main.textContent = ''
  render(id === undefined ? html`<${FleetPage} />` : html`<${JobPage} id=${decodeURIComponent(id)} />`, main)
}
