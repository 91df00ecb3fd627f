/** OCI image layouts on this machine, as https://github.com/opencontainers/image-spec/blob/main/image-layout.md says. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Layouts } from '../host.ts';
import { type Result, fail, ok } from '../result.ts';

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

export interface LayoutImage {
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly layers: readonly Descriptor[];
}

/** Suffixes of names that are not a target's: being written, being replaced. */
const unfinished = '.new';
const replaced = '.old';

/** `directory` is absolute, and is what the runner sees as its images directory. */
export function createLayouts(directory: string): Layouts {
  return {
    async find(target) {
      await heal(directory, target);
      const read = await verifyLayout(join(directory, target));
      // A layout that does not verify is built anew.
      return ok(read.ok ? read.value : undefined);
    },
    async prepare(target) {
      const name = `${target}${unfinished}`;
      await mkdir(directory, { recursive: true });
      await rm(join(directory, name), { recursive: true, force: true });
      await rm(join(directory, `${name}.tar`), { force: true });
      return name;
    },
    async commit(target, name, digest, archive) {
      const verified = await verifyLayout(join(directory, name));
      if (!verified.ok) return verified;
      if (verified.value.digest !== digest) {
        return fail(
          'layout-invalid',
          `the layout holds ${verified.value.digest}, but ${digest} was built`,
          'Build again; report it if it stays.',
        );
      }
      const place = join(directory, target);
      const old = join(directory, `${target}${replaced}`);
      await rm(old, { recursive: true, force: true });
      if (await exists(place)) await rename(place, old);
      await rename(join(directory, name), place);
      await rm(old, { recursive: true, force: true });
      return archive === undefined ? ok(undefined) : moveArchive(join(directory, `${name}.tar`), archive);
    },
  };
}

/** Reads the one image of a layout; every blob is read whole and its size and digest compared. */
export async function verifyLayout(directory: string): Promise<Result<LayoutImage>> {
  try {
    const index = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8')) as {
      manifests?: Descriptor[];
    };
    const [descriptor, ...others] = index.manifests ?? [];
    if (descriptor === undefined || others.length > 0)
      return invalid(directory, 'its index does not name one image');
    const manifest = JSON.parse(await verifiedText(directory, descriptor)) as {
      config: Descriptor;
      layers: Descriptor[];
    };
    const config = JSON.parse(await verifiedText(directory, manifest.config)) as {
      config?: { Labels?: Record<string, string> | null };
    };
    for (const layer of manifest.layers) await verifyBlob(directory, layer);
    return ok({ digest: descriptor.digest, labels: config.config?.Labels ?? {}, layers: manifest.layers });
  } catch (error) {
    return invalid(directory, error instanceof Error ? error.message : String(error));
  }
}

export function blobPath(directory: string, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':');
  if (algorithm !== 'sha256' || !/^[0-9a-f]{64}$/.test(hex)) throw new Error(`${digest} is not a digest`);
  return join(directory, 'blobs', algorithm, hex);
}

async function verifiedText(directory: string, descriptor: Descriptor): Promise<string> {
  await verifyBlob(directory, descriptor);
  return readFile(blobPath(directory, descriptor.digest), 'utf8');
}

async function verifyBlob(directory: string, { digest, size }: Descriptor): Promise<void> {
  const path = blobPath(directory, digest);
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  if (`sha256:${hash.digest('hex')}` !== digest) throw new Error(`the content of ${digest} is another`);
  if ((await stat(path)).size !== size) throw new Error(`the size of ${digest} is another`);
}

/** A daemon that was killed between two renames left the image under its old name. */
async function heal(directory: string, target: string): Promise<void> {
  const old = join(directory, `${target}${replaced}`);
  if (!(await exists(old))) return;
  if (await exists(join(directory, target))) await rm(old, { recursive: true, force: true });
  else await rename(old, join(directory, target));
}

async function moveArchive(from: string, to: string): Promise<Result<void>> {
  const beside = `${to}${unfinished}`;
  try {
    await mkdir(dirname(to), { recursive: true });
    // The two may lie on different file systems; what has the final name is whole.
    await copyFile(from, beside);
    await rename(beside, to);
    return ok(undefined);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    const text = error instanceof Error ? error.message : String(error);
    return fail(
      'layout-invalid',
      `the archive ${to} could not be written: ${text}`,
      'Give --tar the path of a file that can be written.',
    );
  } finally {
    await rm(from, { force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function invalid(directory: string, why: string): Result<never> {
  return fail('layout-invalid', `the image in ${directory} is not whole: ${why}`, 'Build again.');
}

/** Bytes below the directory, and the entries of it by age: what pruning decides on. */
export async function listByAge(
  directory: string,
): Promise<{ path: string; bytes: number; changed: number }[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const sized = await Promise.all(
    entries.map(async ({ name }) => {
      const path = join(directory, name);
      const files = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
      let bytes = 0;
      for (const file of files) {
        if (file.isFile())
          bytes += (await stat(join(file.parentPath, file.name)).catch(() => undefined))?.size ?? 0;
      }
      return { path, bytes, changed: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 };
    }),
  );
  return sized.toSorted((a, b) => b.changed - a.changed);
}
