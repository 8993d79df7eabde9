/** The style of the page: light and dark, and one column where there is little room. */
export const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1d2329, #e3e7ea); --paper: light-dark(#fff, #14181c);
  --faint: light-dark(#59636e, #9aa4ae); --line: light-dark(#d8dee4, #30373e); --box: light-dark(#f5f7f9, #1c2227);
  --link: light-dark(#0a58a5, #7db8f5); --get: light-dark(#0a6640, #6fd3a3); --post: light-dark(#0a58a5, #7db8f5);
  --delete: light-dark(#a4262c, #f59a9a) }
* { box-sizing: border-box }
html { scroll-padding-top: 1rem }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
a { color: var(--link) }
a:focus-visible, summary:focus-visible, pre:focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
.skip { position: absolute; left: -100vw } .skip:focus { left: 1rem; top: 1rem }
.page { display: grid; grid-template-columns: 17rem minmax(0, 1fr); max-width: 80rem; margin: 0 auto }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow: auto; padding: 1.5rem 1rem; font-size: .9rem }
nav h2 { font-size: .8rem; margin: 1rem 0 .2rem; color: var(--faint); text-transform: capitalize; border: 0; padding: 0 }
nav ul { list-style: none; margin: 0; padding: 0 } nav a { display: block; padding: .15rem 0; text-decoration: none }
main { padding: 1.5rem; min-width: 0 }
h1 { margin-top: 0 } h2 { border-bottom: 1px solid var(--line); padding-bottom: .3rem; margin-top: 2.5rem; text-transform: capitalize }
h3 { margin: 2.5rem 0 .3rem } h3 a { color: inherit; text-decoration: none } h4 { margin: 1.2rem 0 .3rem }
code, pre { font: .875em/1.45 ui-monospace, monospace } code { overflow-wrap: anywhere }
pre { background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow-x: auto; margin: .4rem 0 }
.call { margin: 0 0 .5rem; overflow-wrap: anywhere } .faint { color: var(--faint) }
.get { color: var(--get) } .post { color: var(--post) } .delete { color: var(--delete) }
dl { margin: .4rem 0; border-top: 1px solid var(--line) } dl > div { padding: .4rem 0; border-bottom: 1px solid var(--line) }
dt { display: inline } dd { margin: 0 } dd p { margin: 0 }
details { margin: .3rem 0 } summary { cursor: pointer }
@media (max-width: 50rem) { .page { display: block } nav { position: static; max-height: none } main { padding: 1rem } }
`
