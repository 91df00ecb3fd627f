/** What an executor accepts and then silently does not do. Pure. */
import { type Failure, failure } from '../result.ts';

/**
 * kaniko v1.24.0 takes `RUN <<EOF`, runs nothing of it and ends with 0: an image that looks built. Its maintained fork
 * (v1.25 and later) runs heredocs.
 */
export function unsupported(dockerfile: string, executorVersion: string): Failure | undefined {
  if (!/^v1\.(?:[0-9]|1[0-9]|2[0-4])\./.test(executorVersion)) return undefined;
  const lines = dockerfile.split('\n');
  const at = lines.findIndex((line) =>
    /^\s*(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s(?:[^#"']*\s)?<<-?["']?\w/i.test(line),
  );
  if (at < 0) return undefined;
  return failure(
    'build-dockerfile-invalid',
    `${lines[at]?.trim() ?? ''} (Dockerfile line ${at + 1}): kaniko ${executorVersion} does nothing of a heredoc and says nothing`,
    'Write it with && and line continuations, or use the executor of ghcr.io/osscontainertools/kaniko.',
  );
}
