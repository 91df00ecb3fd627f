/** Says why an executor that did not exit with 0 failed. Pure; texts as kaniko v1.24.0 prints them. */
import { type Failure, type FailureCode, failure } from '../result.ts';
import { type KeyedDockerfile, originalLine } from './cachekey.ts';
import { instructionLine } from './instruction.ts';
import type { Progress } from './progress.ts';
import { redact } from './redact.ts';

/** Lines of output shown as evidence. */
const shownLines = 15;

interface Rule {
  readonly pattern: RegExp;
  readonly code: FailureCode;
  readonly message: (match: RegExpExecArray) => string;
  readonly remedy: string;
}

/** The first rule that matches kaniko's error wins. */
const rules: readonly Rule[] = [
  {
    pattern: /checking push permission for "?([^"\s]+)"?.*?(UNAUTHORIZED|401|DENIED|403|denied)/is,
    code: 'registry-denied',
    message: (match) => `the registry does not let the runner push to ${match[1]?.replace(/[;:]$/, '')}`,
    remedy:
      'Give the runner a token that may write: the secret ghcr-credentials, key .dockerconfigjson (GHCR: a classic token with write:packages).',
  },
  {
    pattern: /checking push permission for "?([^"\s]+)"?/i,
    code: 'registry-unreachable',
    message: (match) => `the runner cannot push to ${match[1]?.replace(/[;:]$/, '')}`,
    remedy:
      'Check the image name and that the registry is reachable from the runner; plain HTTP needs registry.insecure.',
  },
  {
    pattern: /TOOMANYREQUESTS|toomanyrequests|rate limit/i,
    code: 'registry-rate-limited',
    message: () => 'the registry limits the rate of pulls',
    remedy: 'Give the runner credentials for it, or a mirror with registry.mirrors.',
  },
  {
    pattern: /server gave HTTP response to HTTPS client/,
    code: 'registry-certificate',
    message: () => 'the registry speaks plain HTTP where HTTPS was tried',
    remedy: 'Add its host to registry.insecure in the configuration.',
  },
  {
    pattern: /x509: [^\n"]*/,
    code: 'registry-certificate',
    message: (match) => `the registry's certificate is not trusted: ${match[0]}`,
    remedy: 'Name the certificate of its authority in registry.certificates.',
  },
  {
    pattern: /failed to push to destination ([^\s:]+[^\s]*?):? .*?(UNAUTHORIZED|DENIED|denied|401|403)/is,
    code: 'registry-denied',
    message: (match) => `the registry refused the push to ${match[1]}`,
    remedy: 'Give the runner a token that may write to this repository.',
  },
  {
    pattern: /(?:failed to push to destination|error pushing image)[^\n]*/i,
    code: 'registry-unreachable',
    message: () => 'the image could not be pushed',
    remedy:
      'Check that the registry is reachable from the runner; the build is tried again with the next change.',
  },
  {
    pattern: /(MANIFEST_UNKNOWN|NAME_UNKNOWN|manifest unknown|repository name not known)/i,
    code: 'build-base-missing',
    message: () => 'a base image does not exist',
    remedy: 'Check the names and tags on the FROM lines of the Dockerfile.',
  },
  {
    pattern: /(?:retrieving image|GET https?:\/\/)[^\n]*(UNAUTHORIZED|DENIED|denied)/i,
    code: 'build-base-missing',
    message: () => 'a base image does not exist or may not be pulled',
    remedy: 'Check the names on the FROM lines; a private image needs credentials in the runner.',
  },
  {
    pattern: /lookup ([\w.-]+)[^\n]*no such host/,
    code: 'registry-unreachable',
    message: (match) => `the runner cannot find the host ${match[1]}`,
    remedy: 'Check the name and the DNS of the cluster: kubectl exec in the runner, nslookup.',
  },
  {
    pattern:
      /dial tcp ([\d.:[\]a-f]+): [^\n]*(connection refused|i\/o timeout|no route to host|network is unreachable)/,
    code: 'registry-unreachable',
    message: (match) => `the runner cannot reach ${match[1]}: ${match[2]}`,
    remedy: 'Check that the registry runs and that no network policy keeps the runner from it.',
  },
  {
    pattern: /no space left on device/i,
    code: 'build-no-space',
    message: () => 'the runner has no space left',
    remedy: 'Raise ephemeral-storage of the runner, or build a smaller context.',
  },
  {
    pattern:
      /(?:failed to get fileinfo for|lstat|copy failed:[^\n]*) \/?[^\n]*?\/ctx\/[^/\s]+\/([^\n:]+): (?:lstat|no such file)/i,
    code: 'build-copy-missing',
    message: (match) => `COPY names ${match[1]}, which is not in the context`,
    remedy: 'Check the path and its case, and that .dockerignore does not leave it out.',
  },
  {
    pattern: /(?:dockerfile parse error|parsing dockerfile|error parsing|unknown instruction)[^\n]*/i,
    code: 'build-dockerfile-invalid',
    message: (match) => `the Dockerfile is not valid: ${match[0]}`,
    remedy: 'Mend the line and save; the build starts again by itself.',
  },
];

const exitStatus = /waiting for process to exit: exit status (\d+)/;
const signalled = /waiting for process to exit: signal: (\w+)/;

/** `exitCode` is the executor's; 137 and 143 mean that it was killed itself. */
export function explainFailure(
  exitCode: number,
  progress: Progress,
  keyed: KeyedDockerfile,
  dockerfile: string,
): Failure {
  const errors = progress.errors
    .join('\n')
    .replaceAll(/\bline (\d+)/g, (_, line: string) => `line ${originalLine(keyed, Number(line))}`);
  const evidence = redact(
    (progress.output.length > 0 ? progress.output : progress.errors).slice(-shownLines),
  );
  const status = exitStatus.exec(errors);
  const signal = signalled.exec(errors);
  if (progress.instruction !== undefined && (status !== null || signal !== null)) {
    const how =
      status === null ? `was ended by signal ${signal?.[1] ?? ''}` : `failed with exit code ${status[1]}`;
    return failure(
      'build-run-failed',
      `${where(progress.instruction, dockerfile)} ${how}`,
      'Mend it and save; the build starts again by itself.',
      evidence,
    );
  }
  if (exitCode === 137 || exitCode === 143) {
    return failure(
      'build-killed',
      'the executor was killed while it built',
      'Most often the memory limit: look at the pod with kubectl describe and raise the limit of the runner.',
      evidence,
    );
  }
  for (const rule of rules) {
    const match = rule.pattern.exec(errors);
    if (match !== null)
      return failure(rule.code, redact([rule.message(match)])[0] ?? '', rule.remedy, redact(progress.errors));
  }
  const last = redact(progress.errors.slice(-1))[0];
  return failure(
    'build-failed',
    last ?? `the executor ended with exit code ${exitCode}`,
    'The lines above are the last that it printed.',
    evidence,
  );
}

function where(instruction: string, dockerfile: string): string {
  const line = instructionLine(dockerfile, instruction);
  const [first = ''] = instruction.split('\n');
  const shown = first.length > 120 ? `${first.slice(0, 120)}…` : first;
  return line === undefined ? shown : `${shown} (Dockerfile line ${line})`;
}
