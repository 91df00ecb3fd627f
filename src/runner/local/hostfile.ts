/** Tools that the machine already has. */
import { access, open } from 'node:fs/promises';
import { type Result, fail, ok } from '../../result.ts';
import type { Maker } from './provision.ts';

/** The first of the files that exists and passes the test; it is used where it is. */
export function hostFile(paths: readonly string[], test?: (path: string) => Promise<Result<void>>): Maker {
  return {
    source: 'host',
    writes: false,
    make: async () => {
      let last: Result<never> = fail('executor-missing', `none of ${paths.join(', ')}`, 'Install it.');
      for (const path of paths) {
        const exists = await access(path).then(
          () => true,
          () => false,
        );
        if (!exists) continue;
        const fits: Result<void> = (await test?.(path)) ?? ok(undefined);
        if (fits.ok) return ok(path);
        last = fits;
      }
      return last;
    },
  };
}

/** An ELF program without an interpreter: one that needs no library in the sandbox. */
export async function isStatic(path: string): Promise<Result<void>> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(64 * 1024);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const notStatic = fail('executor-missing', `${path} is not a static program`, 'Install busybox-static.');
    if (bytesRead < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2) return notStatic;
    const offset = Number(head.readBigUInt64LE(32));
    const size = head.readUInt16LE(54);
    const count = head.readUInt16LE(56);
    for (let index = 0; index < count; index += 1) {
      const at = offset + index * size;
      // PT_INTERP
      if (at + 4 <= bytesRead && head.readUInt32LE(at) === 3) return notStatic;
    }
    return ok(undefined);
  } finally {
    await file.close();
  }
}
