/**
 * Expected failures are values, never exceptions: a step returns `Result`, and a thrown error is a bug.
 * Every failure carries a stable code; the code alone decides the exit code of the process.
 */

/** Exit codes of the process. 0 is success; the others are part of the documented interface. */
export const exitCodes = {
  ok: 0,
  bug: 1,
  usage: 2,
  runner: 3,
  sync: 4,
  build: 5,
  registry: 6,
  roll: 7,
  proof: 8,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Every failure code and the exit code it leads to. The troubleshooting page lists exactly these. */
export const failureExits = {
  // usage and configuration
  usage: exitCodes.usage,
  'config-missing': exitCodes.usage,
  'config-ambiguous': exitCodes.usage,
  'config-invalid': exitCodes.usage,
  'config-unreadable': exitCodes.usage,
  'target-unknown': exitCodes.usage,
  'context-missing': exitCodes.usage,
  'dockerfile-missing': exitCodes.usage,
  'ignore-file-invalid': exitCodes.usage,
  'tag-invalid': exitCodes.usage,
  // cluster and runner
  'kubeconfig-missing': exitCodes.runner,
  'kubeconfig-invalid': exitCodes.runner,
  'cluster-unreachable': exitCodes.runner,
  'cluster-unauthorized': exitCodes.runner,
  forbidden: exitCodes.runner,
  'namespace-missing': exitCodes.runner,
  'runner-missing': exitCodes.runner,
  'runner-not-ready': exitCodes.runner,
  'runner-no-shell': exitCodes.runner,
  'runner-no-executor': exitCodes.runner,
  'runner-held': exitCodes.runner,
  'runner-lost': exitCodes.runner,
  'runner-protocol': exitCodes.runner,
  'runner-timeout': exitCodes.runner,
  'local-unsupported': exitCodes.runner,
  'executor-missing': exitCodes.runner,
  // sync
  'sync-failed': exitCodes.sync,
  'sync-no-space': exitCodes.sync,
  'file-unreadable': exitCodes.sync,
  'file-unstable': exitCodes.sync,
  'name-not-utf8': exitCodes.sync,
  'root-vanished': exitCodes.sync,
  // build
  'build-run-failed': exitCodes.build,
  'build-failed': exitCodes.build,
  'build-dockerfile-invalid': exitCodes.build,
  'build-copy-missing': exitCodes.build,
  'build-base-missing': exitCodes.build,
  'build-out-of-memory': exitCodes.build,
  'build-no-space': exitCodes.build,
  'build-killed': exitCodes.build,
  'build-timeout': exitCodes.build,
  'build-no-digest': exitCodes.build,
  'build-cancelled': exitCodes.build,
  // registry
  'registry-unreachable': exitCodes.registry,
  'registry-unauthorized': exitCodes.registry,
  'registry-denied': exitCodes.registry,
  'registry-mismatch': exitCodes.registry,
  'registry-protocol': exitCodes.registry,
  'registry-certificate': exitCodes.registry,
  'registry-rate-limited': exitCodes.registry,
  'layout-invalid': exitCodes.registry,
  // roll
  'workload-missing': exitCodes.roll,
  'roll-image-unused': exitCodes.roll,
  'roll-conflict': exitCodes.roll,
  'roll-image-pull': exitCodes.roll,
  'roll-crash': exitCodes.roll,
  'roll-unschedulable': exitCodes.roll,
  'roll-config': exitCodes.roll,
  'roll-timeout': exitCodes.roll,
  'roll-failed': exitCodes.roll,
  'roll-superseded': exitCodes.roll,
  // the whole run
  interrupted: exitCodes.interrupted,
} as const satisfies Record<string, ExitCode>;

export type FailureCode = keyof typeof failureExits;

/** An expected failure: what happened in one line, what to do about it in one line, and evidence. */
export interface Failure {
  readonly code: FailureCode;
  /** One line, without a final full stop where it ends in a path or value. */
  readonly message: string;
  /** One line telling the user what to do. */
  readonly remedy: string;
  /** Evidence: the last lines of a log, a response body. Already redacted. */
  readonly detail?: readonly string[];
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: Failure };

export function ok<T>(value: T): Result<T> {
  return { ok: true, value };
}

export function fail(
  code: FailureCode,
  message: string,
  remedy: string,
  detail?: readonly string[],
): Result<never> {
  return { ok: false, failure: failure(code, message, remedy, detail) };
}

export function failure(
  code: FailureCode,
  message: string,
  remedy: string,
  detail?: readonly string[],
): Failure {
  return detail === undefined ? { code, message, remedy } : { code, message, remedy, detail };
}

/** Ends an exhaustive switch: a new union member becomes a compile error here. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
