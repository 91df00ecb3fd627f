/** The content hash: equal hashes promise equal images. Pure. */
import { createHash } from 'node:crypto';
import type { BuildOptions } from './argv.ts';

/** Label of every image: the full content hash it was built from. */
export const contentLabel = 'dev.kaniko.content-hash';

/** Everything that decides an image, besides what its base images are at build time. */
export interface Content {
  /** Digest over the manifest of the context. */
  readonly manifest: string;
  readonly dockerfile: string;
  readonly ignoreFile: string | undefined;
  readonly options: BuildOptions;
}

/** Lower-case hex SHA-256. What only decides where layers are cached or fetched from is left out. */
export function contentHash(content: Content): string {
  const { buildArgs, stage, platform, snapshotMode, useNewRun, reproducible, flags } = content.options;
  const hash = createHash('sha256');
  hash.update(
    JSON.stringify([
      'kaniko-dev content 1',
      content.manifest,
      content.dockerfile,
      content.ignoreFile ?? null,
      Object.entries(buildArgs).toSorted(([a], [b]) => (a < b ? -1 : 1)),
      stage ?? null,
      platform ?? null,
      snapshotMode,
      useNewRun,
      reproducible,
      flags,
    ]),
  );
  return hash.digest('hex');
}
