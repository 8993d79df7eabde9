/** What a command may use of the process it runs in. Only `main.ts` makes one. */
export interface Terminal {
  env: Readonly<Record<string, string | undefined>>
  /** Home folder of the user, where default folders live. */
  home: string
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  readFile: (path: string) => string
  /** Path of the `claude-fleet` script, to start services with. */
  script: string
  nodePath: string
  /** Calls `listener` for every SIGINT and SIGTERM until disposed. */
  onSignal: (listener: (signal: 'SIGINT' | 'SIGTERM') => void) => Disposable
  /** The parent that started this process as a service, if one did: to say it is ready, and to end with it. */
  parent: { ready: (message: ReadyMessage) => void; onGone: (listener: () => void) => void } | undefined
  exit: (code: number) => never
}

/** What a service tells the process that started it. */
export interface ReadyMessage {
  type: 'ready'
  role: string
  url: string | undefined
}

/** Writes one line to stderr: for everything that is not the answer. */
export function say(terminal: Pick<Terminal, 'stderr'>, line: string): void {
  terminal.stderr.write(`${line}\n`)
}
