/** Says why an executor that did not exit with 0 failed. Pure; texts as kaniko v1.24.0 prints them. */
import { type Failure, type FailureCode, failure } from '../result.ts';
import { type KeyedDockerfile, originalLine } from './cachekey.ts';
import { instructionLine } from './instruction.ts';
import { shortenLine } from './log.ts';
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
    pattern: /checking push permission for "?([^"\s]+)"?.*?(?:UNAUTHORIZED|DENIED|status code 40[13])/is,
    code: 'registry-denied',
    message: (match) => `the registry does not let the runner push to ${match[1]?.replace(/[;:]$/, '')}`,
    remedy:
      'Give the runner a token that may write: the secret ghcr-credentials, key .dockerconfigjson (GHCR: a classic token with write:packages).',
  },
  {
    pattern: /TOO ?MANY ?REQUESTS|rate limit/i,
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
    pattern: /x509: [^\n";]*/,
    code: 'registry-certificate',
    message: (match) => `the registry's certificate is not trusted: ${match[0]}`,
    remedy: 'Name the certificate of its authority in registry.certificates.',
  },
  {
    pattern: /failed to push to destination (\S+?):? .*?(?:UNAUTHORIZED|DENIED|status code 40[13])/is,
    code: 'registry-denied',
    message: (match) => `the registry refused the push to ${match[1]}`,
    remedy: 'Give the runner a token that may write to this repository.',
  },
  {
    pattern: /getting tag for destination: ([^\n]*)/,
    code: 'tag-invalid',
    message: (match) => `the name of the image is not valid: ${match[1]}`,
    remedy: 'Correct image or tag of the target.',
  },
  {
    pattern: /GET https?:\/\/([^/\s]+)\/v2\/(\S+)\/manifests\/(\S+): (?:MANIFEST_UNKNOWN|NAME_UNKNOWN)/,
    code: 'build-base-missing',
    message: ([, host, repository, reference = '']) =>
      `the base image ${host}/${repository}${reference.includes(':') ? '@' : ':'}${reference} does not exist`,
    remedy: 'Check the names and tags on the FROM lines of the Dockerfile.',
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
    pattern: /lookup ([\w.-]+)[^\n]*(?:no such host|i\/o timeout|server misbehaving|try again)/,
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
    // The lines before it may tell more, so it does not match alone.
    pattern: /\n[^\n]*image not found on any configured mapped registries for (\S+)/,
    code: 'build-base-missing',
    message: (match) => `registry.mirrors leads to no base image ${match[1]}`,
    remedy: 'Check the name on the FROM line, and put the image into the mirror.',
  },
  {
    pattern: /(?:GET|HEAD|POST|PATCH|PUT) https?:\/\/([^/\s]+)\/[^\n]*unexpected status code (5\d\d[\w ]*)/,
    code: 'registry-unreachable',
    message: (match) => `the registry ${match[1]} answers ${match[2]?.trim()}`,
    remedy: 'It is most often over soon; look at the registry if it stays.',
  },
  {
    pattern:
      /(?:Get|Head|Post|Patch|Put) "?https?:\/\/([^/\s]+)\/[^\n]*(TLS handshake timeout|context deadline exceeded|connection reset by peer|unexpected EOF)/,
    code: 'registry-unreachable',
    message: (match) => `the connection of the runner to ${match[1]} broke: ${match[2]}`,
    remedy: 'Check that no proxy or network policy stands between the runner and the registry.',
  },
  {
    pattern: /checking push permission for "?([^"\s]+)"?/i,
    code: 'registry-unreachable',
    message: (match) => `the runner cannot push to ${match[1]?.replace(/[;:]$/, '')}`,
    remedy:
      'Check the image name and that the registry is reachable from the runner; plain HTTP needs registry.insecure.',
  },
  {
    pattern: /failed to push to destination|error pushing image/i,
    code: 'registry-unreachable',
    message: () => 'the image could not be pushed',
    remedy:
      'Check that the registry is reachable from the runner; the build is tried again with the next change.',
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
    pattern: /failed to get fileinfo for \/kaniko\/\d+(\/[^\n]*?): lstat/,
    code: 'build-copy-missing',
    message: (match) => `COPY --from names ${match[1]}, which the other stage does not have`,
    remedy: 'Check the path and its case, and that the other stage makes it.',
  },
  {
    pattern: /failed to get fileinfo for \/[^\n]*?\/ctx\/([^/\n]+): lstat/,
    code: 'build-copy-missing',
    message: (match) => `COPY names ${match[1]} outside of the context`,
    remedy: 'Only what lies below the context can be copied: correct the path, or the context of the target.',
  },
  {
    pattern: /finding target stage: (\S+) is not a valid target build stage/,
    code: 'build-dockerfile-invalid',
    message: (match) => `the Dockerfile has no stage ${match[1]}`,
    remedy: 'Correct the stage of the target, or the name after AS.',
  },
  {
    pattern: /could not parse reference: ([^\n]*)/,
    code: 'build-dockerfile-invalid',
    message: (match) =>
      match[1] === ''
        ? 'FROM names no image: an ARG has no value'
        : `FROM names ${match[1]}, which is no image`,
    remedy: 'Correct the FROM line, or give the ARG a value in front of it or in build args.',
  },
  {
    pattern: /matching sources: syntax error in pattern/,
    code: 'build-dockerfile-invalid',
    message: () => 'a COPY or ADD names a source that is not a valid pattern',
    remedy: 'Look for a bracket that is not closed; the JSON form needs double quotes and a closing bracket.',
  },
  {
    pattern: /^Error: unknown (?:shorthand )?flag: ([^\n]*)/m,
    code: 'config-invalid',
    message: (match) => `the executor does not know the flag ${match[1]}`,
    remedy: 'Correct the flags of the target.',
  },
  {
    pattern: /(?:dockerfile parse error|parsing dockerfile|error parsing|unknown instruction)[^\n]*/i,
    code: 'build-dockerfile-invalid',
    message: (match) => `the Dockerfile is not valid: ${match[0]}`,
    remedy: 'Mend the line and save; the build starts again by itself.',
  },
];

const notStarted = /starting command: fork\/exec ([^\n]+): ([^:\n]+)/;
const exitStatus = /waiting for process to exit: exit status (\d+)/;
const signalled = /waiting for process to exit: signal: (\w+)/;

/** `exitCode` is the executor's; 137 and 143 mean that it was killed itself. */
export function explainFailure(
  exitCode: number,
  progress: Progress,
  keyed: KeyedDockerfile,
  dockerfile: string,
): Failure {
  const errors = progress.errors.map((text) =>
    text.replaceAll(
      /\b(parse error on line )(\d+)/g,
      (_, words: string, line: string) => words + originalLine(keyed, Number(line)),
    ),
  );
  // Kaniko's last word; what stands before it may come from a command.
  const last = errors.at(-1) ?? '';
  const evidence = shown((progress.output.length > 0 ? progress.output : errors).slice(-shownLines));
  const status = exitStatus.exec(last);
  const signal = signalled.exec(last);
  const unstarted = notStarted.exec(last);
  if (progress.instruction !== undefined && unstarted !== null) {
    const [, program = '', why = ''] = unstarted;
    return failure(
      'build-run-failed',
      `${where(progress.instruction, dockerfile)} could not start ${program}: ${why}`,
      'The program, or the interpreter that it needs, is not in the image at this point.',
      evidence,
    );
  }
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
  for (const text of [last, errors.join('\n')]) {
    for (const rule of rules) {
      const match = rule.pattern.exec(text);
      if (match === null) continue;
      const [message = ''] = shown([rule.message(match)]);
      return failure(rule.code, message, rule.remedy, shown(errors));
    }
  }
  return failure(
    'build-failed',
    shown(errors.slice(-1))[0] ?? `the executor ended with exit code ${exitCode}`,
    'The lines above are the last that it printed.',
    evidence,
  );
}

function shown(lines: readonly string[]): string[] {
  return redact(lines).map(shortenLine);
}

function where(instruction: string, dockerfile: string): string {
  const line = instructionLine(dockerfile, instruction);
  const [first = ''] = instruction.split('\n');
  const short = first.length > 120 ? `${first.slice(0, 120)}…` : first;
  return redact([line === undefined ? short : `${short} (Dockerfile line ${line})`])[0] ?? '';
}
