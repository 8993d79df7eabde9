/**
 * What is wrong with the text of an event stream, as far as it goes: frames of `id`, `event` and one line of `data`, and
 * pings. A last frame that is not whole was cut off and is not looked at.
 */
export function streamFaults(text: string, faultsOfEvent: (event: unknown) => string[]): string[] {
  const frames = text.split('\n\n').slice(0, -1)
  let last = 0
  return frames.flatMap((frame) => {
    if (frame === ': ping') return []
    const match = /^id: (\d+)\nevent: (\w+)\ndata: ([^\n]*)$/.exec(frame)
    if (match === null) return [`a frame that is neither event nor ping: ${frame.slice(0, 200)}`]
    const [, id, type, data = ''] = match
    const event = JSON.parse(data) as { seq?: unknown; type?: unknown }
    const faults = faultsOfEvent(event).map((fault) => `event ${type ?? ''} ${id ?? ''}: ${fault}`)
    if (String(event.seq) !== id || event.type !== type)
      faults.push(`id ${id ?? ''} and event ${type ?? ''} are not those of the data`)
    if (Number(id) <= last) faults.push(`seq ${id ?? ''} after ${last}`)
    last = Number(id)
    return faults
  })
}
