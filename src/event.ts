/**
 * The one stream of events. Flat, plain JSON, told apart by `type`. Terminal, JSON lines, web page and tests read the
 * same events; every event of a target carries its generation, and its content hash once that is known.
 */
import type { Failure } from './result.ts';

export type Event = SessionEvent | RunnerEvent | TargetEvent;

export type SessionEvent =
  | { readonly type: 'session-started'; readonly config: string; readonly targets: readonly string[] }
  | { readonly type: 'watching'; readonly targets: readonly string[] }
  /** Something to know, in one line. */
  | { readonly type: 'notice'; readonly message: string }
  /** The configuration was changed: the session goes on with the new one. */
  | { readonly type: 'config-changed'; readonly config: string }
  /** The configuration was changed to something that is not valid: the session goes on with the old one. */
  | { readonly type: 'config-rejected'; readonly failure: Failure }
  /** The session cannot begin, or cannot go on. */
  | { readonly type: 'session-failed'; readonly failure: Failure }
  | { readonly type: 'session-ended'; readonly exitCode: number };

export type RunnerEvent =
  | { readonly type: 'runner-connecting'; readonly runner: string }
  | {
      readonly type: 'runner-connected';
      readonly runner: string;
      readonly executor: string;
      readonly ms: number;
    }
  /** A program or file of the local runner, and where it came from. */
  | {
      readonly type: 'tool-found';
      readonly tool: Tool;
      readonly source: ToolSource;
      readonly path: string;
    }
  /** Something to wait for before a connection is possible, in one line. */
  | { readonly type: 'runner-waiting'; readonly runner: string; readonly reason: string }
  | { readonly type: 'runner-lost'; readonly runner: string; readonly reason: string };

/** What the local runner's sandbox is furnished with. */
export type Tool = 'executor' | 'busybox' | 'certificates';

export type ToolSource = 'configured' | 'cache' | 'image' | 'go' | 'host';

export type Step = 'scan' | 'sync' | 'build' | 'roll';

interface OfTarget {
  readonly target: string;
  /** Counts the attempts to bring this target up to date, from 1. */
  readonly generation: number;
}

interface OfContent extends OfTarget {
  /** Lower-case hex SHA-256 over everything that decides the image. */
  readonly contentHash: string;
}

export type TargetEvent =
  | (OfContent & {
      readonly type: 'sync-started';
      readonly write: number;
      readonly remove: number;
      readonly bytes: number;
    })
  /** Of a large transfer, about once a second. */
  | (OfContent & { readonly type: 'sync-progress'; readonly sent: number; readonly bytes: number })
  | (OfContent & {
      readonly type: 'synced';
      readonly written: number;
      readonly removed: number;
      readonly bytes: number;
      readonly ms: number;
      /** Some of the paths concerned, for people. */
      readonly paths: readonly string[];
    })
  /** Every entry of the mirror was read again and equals the context. */
  | (OfContent & { readonly type: 'verified'; readonly entries: number; readonly ms: number })
  | (OfContent & { readonly type: 'drift-repaired'; readonly paths: readonly string[] })
  | (OfTarget & { readonly type: 'skipped-file'; readonly path: string; readonly reason: string })
  /** Synced, but no instruction of the Dockerfile reads it: there is nothing to build. */
  | (OfContent & { readonly type: 'change-unread'; readonly paths: readonly string[] })
  /** So many files are gone that it looks like an accident: nothing is removed in the runner before somebody says so. */
  | (OfTarget & {
      readonly type: 'paused';
      readonly lost: number;
      readonly of: number;
      readonly examples: readonly string[];
    })
  | (OfTarget & { readonly type: 'resumed' })
  | (OfContent & { readonly type: 'build-waiting' })
  | (OfContent & { readonly type: 'build-started'; readonly image: string })
  | (OfContent & { readonly type: 'build-output'; readonly line: string })
  | (OfContent & { readonly type: 'build-progress'; readonly text: string })
  | (OfContent & { readonly type: 'build-cancelled'; readonly paths: readonly string[] })
  | (OfContent & {
      readonly type: 'built';
      readonly image: string;
      readonly digest: string;
      /** Executor start to exit, milliseconds. */
      readonly executorMs: number;
      /** Build start to the registry's confirmation, milliseconds. */
      readonly ms: number;
      readonly cacheHits: number;
      readonly commands: number;
    })
  | (OfContent & { readonly type: 'build-unneeded'; readonly image: string; readonly digest: string })
  | (OfContent & { readonly type: 'roll-started'; readonly workload: string; readonly image: string })
  | (OfContent & { readonly type: 'roll-progress'; readonly workload: string; readonly message: string })
  | (OfContent & {
      readonly type: 'rolled';
      readonly workload: string;
      readonly changed: boolean;
      readonly pods: readonly string[];
      readonly ms: number;
    })
  | (OfTarget & { readonly type: 'step-failed'; readonly step: Step; readonly failure: Failure })
  /** The target is up to date, or has failed: nothing more happens until the next change. */
  | (OfTarget & { readonly type: 'settled'; readonly ok: boolean; readonly ms: number });

/** Receives every event in order. Must not throw. */
export type Emit = (event: Event) => void;
