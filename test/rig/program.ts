/** The real command line as a child process, with waiters on its event stream. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Event } from '../../src/event.ts';

const bin = join(import.meta.dirname, '../../bin/kaniko-dev.js');

/** Milliseconds until a wait fails. */
const waitDeadline = 60_000;

type EventOf<T extends Event['type']> = Extract<Event, { type: T }>;

export interface ProgramOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Starts the program in some other way than with this Node, and in the end becomes it. */
  readonly command?: readonly string[];
}

export interface Finished {
  readonly code: number;
  readonly events: readonly Event[];
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the program with `--json`; its events can be waited for. */
export class Program {
  readonly events: Event[] = [];
  /** Called with every event as it arrives. */
  onEvent: (event: Event) => void = () => {};
  readonly finished: Promise<Finished>;
  readonly #child: ChildProcess;
  readonly #waiters = new Set<() => void>();
  #stdout = '';
  #stderr = '';
  #consumed = 0;
  #ended = false;

  constructor(argv: readonly string[], options: ProgramOptions) {
    const [command = '', ...before] = options.command ?? [process.execPath, bin];
    const child = spawn(command, [...before, ...argv], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stderr.on('data', (data: Buffer) => {
      this.#stderr += data.toString();
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#stdout += `${line}\n`;
      if (line.startsWith('{"time"')) {
        const event = JSON.parse(line) as Event;
        this.events.push(event);
        this.onEvent(event);
      }
      for (const look of this.#waiters) look();
    });
    this.finished = new Promise((resolve) => {
      child.on('close', (code) => {
        this.#ended = true;
        for (const look of this.#waiters) look();
        resolve({ code: code ?? -1, events: this.events, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Everything up to now is behind us: the next wait sees only what comes. */
  mark(): void {
    this.#consumed = this.events.length;
  }

  /** The first event of the type, after the last one that was waited for, that passes the test. */
  async waitFor<T extends Event['type']>(
    type: T,
    test: (event: EventOf<T>) => boolean = () => true,
    deadline = waitDeadline,
  ): Promise<EventOf<T>> {
    let looked = this.#consumed;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => give(`nothing within ${deadline} ms`), deadline);
      const give = (why: string): void => {
        done();
        reject(new Error(`no ${type} (${why}); what did arrive:\n${this.#describe()}`));
      };
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
      };
      const look = (): void => {
        for (; looked < this.events.length; looked += 1) {
          const event = this.events[looked];
          if (event?.type === type && test(event as EventOf<T>)) {
            this.#consumed = looked + 1;
            done();
            resolve(event as EventOf<T>);
            return;
          }
        }
        if (this.#ended) give('the program ended');
      };
      this.#waiters.add(look);
      look();
    });
  }

  /** Ends the program as Ctrl-C does. */
  async interrupt(): Promise<Finished> {
    if (!this.#ended) this.signal('SIGINT');
    return this.finished;
  }

  #describe(): string {
    const shown = this.events
      .slice(-40)
      .map((event) => JSON.stringify(event))
      .join('\n');
    return `${shown}\n${this.#stderr}`;
  }
}

/** Runs the program to its end. */
export async function run(argv: readonly string[], options: ProgramOptions): Promise<Finished> {
  return new Program(argv, options).finished;
}
