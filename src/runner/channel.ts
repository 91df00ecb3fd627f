/** A byte stream to a process that runs the agent: an exec in a pod, or a child process. */
export interface Channel {
  /** Resolves when the bytes were handed over and there is room for more; resolves too when the channel is closed. */
  write(data: Uint8Array): Promise<void>;
  /** Called for every piece of the process's standard output. Set before the first await. */
  onStdout: (data: Uint8Array) => void;
  onStderr: (data: Uint8Array) => void;
  /** Settles once, with one line saying why, when the channel is gone. */
  readonly closed: Promise<string>;
  /** Ends the channel; the agent sees the end of its input and leaves. */
  close(): void;
}
