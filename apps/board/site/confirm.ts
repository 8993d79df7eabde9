/** Asks before something is done. Resolves to whether to do it; Escape means no. The answer `no` has the focus. */
export function confirmed(question: string, action: string): Promise<boolean> {
  const dialog = document.createElement('dialog')
  const text = document.createElement('p')
  text.textContent = question
  text.id = 'question'
  dialog.setAttribute('aria-labelledby', text.id)
  const bar = document.createElement('div')
  bar.className = 'bar'
  const no = button('Go back', '')
  const yes = button(action, 'primary')
  bar.append(no, yes)
  dialog.append(text, bar)
  document.body.append(dialog)
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove()
      resolve(dialog.returnValue === 'yes')
    })
    no.addEventListener('click', () => dialog.close('no'))
    yes.addEventListener('click', () => dialog.close('yes'))
    dialog.showModal()
    no.focus()
  })
}

function button(text: string, kind: string): HTMLButtonElement {
  const element = document.createElement('button')
  element.type = 'button'
  element.textContent = text
  element.className = kind
  return element
}
