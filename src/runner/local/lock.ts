/** The writer lock of a local runner's state. Its sandbox has process ids of its own, so it is held out here. */
import { readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Holder } from '../../host.ts';
import { type Result, fail, ok } from '../../result.ts';

export interface Lock {
  release(): Promise<void>;
  /** `end` is called when the same session takes the lock over: it has lost its runner and opens another. */
  onTakeover(end: () => Promise<void>): void;
}

/** Of this process, by the place of the lock. */
const holding = new Map<string, () => Promise<void>>();

/**
 * A symbolic link, made atomically, that names its holder: `PID START SESSION NAME`. It is stale when that process is
 * gone, so a daemon that was killed leaves nothing that has to be cleaned up.
 */
export async function holdState(state: string, holder: Holder): Promise<Result<Lock>> {
  const place = join(state, 'lock');
  const self = (await readlink('/proc/self')).trim();
  const mine = `${self} ${(await startOf(self)) ?? '?'} ${holder.session} ${holder.name.replaceAll(/\s/g, '_')}`;
  for (let tries = 0; tries < 10; tries += 1) {
    try {
      await symlink(mine, place);
      return ok({
        release: async () => {
          holding.delete(place);
          await release(place, mine);
        },
        onTakeover: (end) => holding.set(place, end),
      });
    } catch (error) {
      if (!isExisting(error)) throw error;
    }
    const held = await readlink(place).catch(() => undefined);
    if (held === undefined) continue;
    const [pid = '', start = '', session = '', name = 'somebody'] = held.split(' ');
    const alive = (await startOf(pid)) === start;
    if (alive && session !== holder.session) {
      return fail(
        'runner-held',
        `the local runner in ${state} is in use by ${name} (process ${pid})`,
        'One daemon works in a project at a time: stop the other one.',
      );
    }
    if (alive) await holding.get(place)?.();
    // Only one contender moves the stale link away; whoever moved a fresh one puts it back.
    const aside = `${place}.${self}`;
    await rename(place, aside).catch(() => undefined);
    const moved = await readlink(aside).catch(() => undefined);
    if (moved !== undefined && moved !== held) await rename(aside, place).catch(() => undefined);
    await rm(aside, { force: true });
  }
  return fail('runner-held', `the lock ${place} could not be taken`, 'Remove it if no other daemon runs.');
}

async function release(place: string, mine: string): Promise<void> {
  if ((await readlink(place).catch(() => undefined)) === mine) await rm(place, { force: true });
}

/** Start time of a process in clock ticks since the boot, undefined when there is none. */
async function startOf(pid: string): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie holds nothing any more.
  return fields?.[0] === 'Z' ? undefined : fields?.[19];
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EEXIST';
}
