/** Why no sandbox could be made here, and what helps: from what `unshare` and the sandbox's program said. Pure. */
import { type Failure, failure } from '../../result.ts';

export const alternatives =
  "Use runner.engine 'docker' or 'podman', or a runner in a cluster: runner.type 'kubernetes'.";

interface Trouble {
  readonly pattern: RegExp;
  readonly missing: string;
  readonly remedy: string;
}

/** `complaint` is what was printed before the agent spoke, or the error of starting it. */
export function sandboxTrouble(complaint: string, rootless: boolean, user: string): Failure {
  const known = (rootless ? [...rootlessTroubles(user), ...troubles] : troubles).find(({ pattern }) =>
    pattern.test(complaint),
  );
  const { missing, remedy } = known ?? {
    missing: rootless
      ? 'an unprivileged user may not make the namespaces it needs here'
      : 'this user may not make mount and pid namespaces here',
    remedy: '',
  };
  return failure(
    'local-unsupported',
    `the sandbox could not be made: ${missing}`,
    `${remedy} ${alternatives}`.trim(),
    complaint.split('\n').slice(-5),
  );
}

const troubles: readonly Trouble[] = [
  {
    pattern: /spawn unshare ENOENT/,
    missing: 'there is no `unshare` on the path',
    remedy: 'Install util-linux.',
  },
  {
    pattern: /unrecognized option|invalid option/,
    missing: '`unshare` is too old',
    remedy: 'Install util-linux 2.38 or newer.',
  },
  {
    pattern: /cannot mount \/proc/,
    missing: 'the kernel lets no new /proc be mounted, as in a container whose /proc is masked',
    remedy: '',
  },
];

function rootlessTroubles(user: string): readonly Trouble[] {
  return [
    {
      pattern: /failed to execute new[ug]idmap/,
      missing: '`newuidmap` and `newgidmap` are not installed',
      remedy: 'Install the package uidmap (Debian) or shadow-utils (Fedora).',
    },
    {
      pattern: /no line matching user|you \(user \d+\) don't exist/,
      missing: `${user} has no subordinate ids in /etc/subuid and /etc/subgid`,
      remedy: `Let root run \`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}\`.`,
    },
    {
      pattern: /unshare failed: (Operation not permitted|No space left)|uid_map/,
      missing: 'user namespaces are switched off for unprivileged users',
      remedy:
        'Let root allow them: sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces or kernel.apparmor_restrict_unprivileged_userns.',
    },
  ];
}
