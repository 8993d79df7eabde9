/**
 * The answer as a subscriber sees it: the text since the last `started`, `tool_use` or `text_reset`, kept by the block
 * of the API message it came from, since claude takes text back by message and block.
 */
export interface Screen {
  readonly text: string
  /** Bytes of UTF-8. */
  readonly bytes: number
  append(messageId: string, block: number, text: string): void
  clear(): void
  /** Takes back what a message wrote from a block on. Returns whether anything was. */
  remove(messageId: string, fromBlock: number): boolean
}

export function createScreen(): Screen {
  let segments: { messageId: string; block: number; texts: string[] }[] = []
  let bytes = 0

  return {
    get text() {
      return segments.map((segment) => segment.texts.join('')).join('')
    },
    get bytes() {
      return bytes
    },
    append(messageId, block, text) {
      const last = segments.at(-1)
      if (last?.messageId === messageId && last.block === block) last.texts.push(text)
      else segments.push({ messageId, block, texts: [text] })
      bytes += Buffer.byteLength(text)
    },
    clear() {
      segments = []
      bytes = 0
    },
    remove(messageId, fromBlock) {
      const kept = segments.filter((segment) => segment.messageId !== messageId || segment.block < fromBlock)
      if (kept.length === segments.length) return false
      segments = kept
      bytes = Buffer.byteLength(kept.map((segment) => segment.texts.join('')).join(''))
      return true
    },
  }
}
