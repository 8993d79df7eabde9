/** What a fake claude may do with the process it is. */
export interface FakeHost {
  pid: number
  cwd: string
  /** File for the pids of daemons. */
  pidsFile: string | undefined
  stderr(text: string): void
  /** Ends this process at once, when what was written before is out. Never resolves. */
  end(how: { code: number } | { signal: NodeJS.Signals }): Promise<never>
  /** SIGKILL to the parent, but never to init. */
  killParent(): void
  /** Tells a turn that nobody asked for. */
  unsolicited(): Promise<void>
}
