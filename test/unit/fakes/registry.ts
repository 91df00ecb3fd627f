/** Where images go, in memory. */
import { contentLabel } from '../../../src/kaniko/content.ts';
import type { ImageReference, Layouts, Registry } from '../../../src/host.ts';
import { type Failure, type Result, ok } from '../../../src/result.ts';
import type { FakeBuild } from './runner.ts';

export class FakeRegistry implements Registry {
  /** `repository:tag` → digest. */
  readonly tags = new Map<string, string>();
  readonly #labels = new Map<string, Readonly<Record<string, string>>>();
  outage: Failure | undefined;

  push(build: FakeBuild): void {
    const destination = build.value('--destination');
    this.tags.set(destination.slice(destination.indexOf('/') + 1), build.digest);
    this.#labels.set(build.digest, { [contentLabel]: build.contentHash });
  }

  async resolve({ repository }: ImageReference, tag: string): Promise<Result<string | undefined>> {
    if (this.outage !== undefined) return { ok: false, failure: this.outage };
    return ok(this.tags.get(`${repository}:${tag}`));
  }

  async labels(_image: ImageReference, digest: string): Promise<Result<Readonly<Record<string, string>>>> {
    return ok(this.#labels.get(digest) ?? {});
  }
}

export const noLayouts: Layouts = {
  find: async () => ok(undefined),
  prepare: async (target) => target,
  commit: async () => ok(undefined),
};
